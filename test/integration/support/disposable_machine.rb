# frozen_string_literal: true

require "fileutils"
require "open3"
require "securerandom"
require "tmpdir"

require_relative "environment"

# This machine's file system with an own layer above it, an own network and own processes: commands
# may change /etc and /srv and start servers, and nothing of that is left. mod_passenger is
# installed there by `make install`, httpd runs with Debian's configuration, and there is a user
# alice. Needs root, overlayfs and unshare(1).
class DisposableMachine
  # Of a command: its status, and what it has printed.
  Result = Struct.new(:status, :output, keyword_init: true)

  ENTRY = File.join(__dir__, "disposable_machine.sh")
  # Seconds, less than the limit of a test.
  LIMIT = 500
  LOCK = "staged.lock"
  READY = "a machine of its own is there\n"

  class << self
    # Why there can be no such machine, or nil.
    def obstacle
      return @obstacle if defined?(@obstacle)

      @obstacle = find_obstacle
    end

    # The installed files, below another root.
    def staged
      @staged ||= File.join(TestEnvironment::WORK_DIR, "staged").tap do |folder|
        FileUtils.mkdir_p(TestEnvironment::WORK_DIR)
        File.open(File.join(TestEnvironment::WORK_DIR, LOCK), "w") do |lock|
          lock.flock(File::LOCK_EX)
          install(folder)
        end
      end
    end

    private

    def find_obstacle
      return "needs root: a file system and a network of its own" unless TestEnvironment.root?
      return "needs a build without sanitizers" if TestEnvironment.sanitized?

      text = new.enter("try")
      text.include?(READY) ? nil : "no machine of its own can be made here: #{text.lines.first}"
    end

    def install(folder)
      output, status = Open3.capture2e({ "MAKEFLAGS" => nil, "MAKELEVEL" => nil }, "make",
                                       "--silent", "-C", TestEnvironment::BUILD_DIR, "install",
                                       "DESTDIR=#{folder}")
      raise "make install failed:\n#{output}" unless status.success?
    end
  end

  def initialize
    @folder = Dir.mktmpdir("machine-", TestEnvironment::WORK_DIR)
    FileUtils.mkdir_p(File.join(@folder, "files"))
    @mark = "@@#{SecureRandom.hex(8)}"
    @script = +""
    @count = 0
  end

  # The file is there before the next command. Below /srv it belongs to alice.
  def file(path, text)
    name = "files/#{@count += 1}"
    File.write(File.join(@folder, name), text)
    @script << "put #{name} '#{path}'\n"
  end

  # Runs the text in the same shell, before the commands. It has no result.
  def prepare(text)
    @script << text << "\n"
  end

  def command(text)
    name = "files/#{@count += 1}"
    File.write(File.join(@folder, name), text)
    @script << "run #{name} '#{@mark}'\n"
  end

  # Runs the commands, one after the other in one shell, until one fails. Returns their results, and
  # all that was printed.
  def run
    File.write(File.join(@folder, "script"), @script)
    text = enter
    [results_in(text), text]
  end

  # Returns what ENTRY prints. The machine is gone then.
  def enter(*arguments)
    text, = Open3.capture2e({ "LC_ALL" => "C.UTF-8" }, "timeout", "--kill-after=10", LIMIT.to_s,
                            "unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork",
                            "--kill-child", "bash", ENTRY, @folder, self.class.staged, *arguments)
    text
  ensure
    FileUtils.rm_rf(@folder)
  end

  private

  def results_in(text)
    text.scrub.scan(/^#{@mark} begin\n(.*?)^#{@mark} end (\d+)$/m).map do |output, status|
      Result.new(status: Integer(status), output: output)
    end
  end
end
