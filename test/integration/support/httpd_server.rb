# frozen_string_literal: true

require "fileutils"
require "securerandom"
require "tmpdir"

require_relative "environment"
require_relative "eventually"
require_relative "http_client"
require_relative "httpd_configuration"
require_relative "leak_check"
require_relative "log_reader"
require_relative "process_tree"
require_relative "raw_client"
require_relative "tls_certificate"
require_relative "unused_port"

# A real httpd with a ServerRoot of its own on a free port of 127.0.0.1. The test that makes a
# server stops it. Servers that are not stopped are stopped at the end of the test process.
class HttpdServer
  class Failure < StandardError; end

  READY = /resuming normal operations/.freeze

  # `spawn_dir`: the default of PassengerSpawnDir. No other server uses the folder.
  attr_reader :configuration, :folder, :spawn_dir, :port, :pid, :log, :tree

  def self.running
    @running ||= []
  end

  def initialize(configuration)
    @configuration = configuration
    @made = ProcessInfo.now
    FileUtils.mkdir_p(TestEnvironment::WORK_DIR)
    @folder = Dir.mktmpdir("httpd-", TestEnvironment::WORK_DIR)
    FileUtils.chmod(0o755, @folder)
    FileUtils.mkdir_p(%w[logs run tmp].map { |name| File.join(@folder, name) })
    # Sockets' paths are short, so their folder is not below ours.
    @spawn_dir = Dir.mktmpdir("passenger-test-", "/tmp")
    FileUtils.chmod(0o1777, [File.join(@folder, "tmp"), @spawn_dir])
    @log = LogReader.new(File.join(@folder, "logs/error.log"))
    @port = configuration.port || UnusedPort.find
  end

  # As a daemon, httpd is no child of this process.
  def start(daemon: false)
    write_configuration
    @leaks = LeakCheck.new(File.join(folder, "tmp"), @spawn_dir)
    self.class.running << self
    @daemon = daemon
    daemon ? run("-k", "start") : @pid = launch("-DFOREGROUND")
    @pid = Eventually.eventually("httpd.pid") { pid_in_file } if daemon
    @tree = ProcessTree.new(pid, environment_marker, folder, @made)
    wait_until_ready(1)
    self
  end

  # Runs httpd's binary to its end, like apachectl; returns its status.
  def run(*options)
    Process.wait2(launch(*options)).last
  end

  # Sends the signal of `apachectl graceful` or `restart` and waits until httpd has read its
  # configuration again. A block changes the configuration first.
  def graceful(signal: :USR1)
    yield configuration if block_given?
    write_configuration
    generations = log.count(READY)
    Process.kill(signal, pid)
    wait_until_ready(generations + 1)
  end

  def restart(&block)
    graceful(signal: :HUP, &block)
  end

  # Stops httpd in order: by a signal, or by an array of httpd's options. Returns sentences about
  # what is left.
  def stop(signal: :TERM, within: Eventually::LIMIT, patience: Eventually::LIMIT)
    return [] unless running?

    @leaks.remember(tree)
    signal.is_a?(Symbol) ? Process.kill(signal, pid) : run(*signal)
    late = wait_for_exit(within) ? [] : ["httpd did not stop within #{within} s"]
    late + @leaks.problems(tree, patience: patience)
  end

  # Kills httpd, which cannot prepare for that.
  def kill
    stop(signal: :KILL)
  end

  def running?
    !@pid.nil? && !@ended
  end

  # Ends all processes of this server, whatever state it is in.
  def destroy(keep: false)
    if running?
      Process.kill(:TERM, pid)
      Process.kill(:KILL, pid) unless wait_for_exit(10)
      wait_for_exit(5)
    end
    end_the_rest
    self.class.running.delete(self)
    return if ENV["KEEP"]

    FileUtils.rm_rf(@spawn_dir)
    FileUtils.rm_rf(folder) unless keep
  end

  def client(site = configuration.sites.first.name, **options)
    HttpClient.new(options[:tls] ? configuration.tls_port : port, site,
                   address: configuration.address, **options)
  end

  def raw(site = configuration.sites.first.name, **options)
    RawClient.new(port, site, **options)
  end

  # Output and status of `httpd -t`.
  def check_configuration
    write_configuration
    Open3.capture2e(environment, *command("-t"), unsetenv_others: true)
  end

  def command(*options)
    [*mounted, *limited, *as_user, TestEnvironment.httpd, "-d", folder,
     "-f", File.join(folder, "httpd.conf"), *options]
  end

  # The environment of httpd; applications have SetEnv's variables.
  def environment
    @environment ||= {
      "PATH" => ENV.fetch("PATH"), "LANG" => "C.UTF-8", "TMPDIR" => File.join(folder, "tmp"),
      "PASSENGER_TEST_ID" => SecureRandom.hex(8)
    }.merge(ENV.to_h.select { |name, _| name.match?(/\A(ASAN|UBSAN|TSAN|LSAN)_OPTIONS\z/) })
  end

  def write_configuration
    TlsCertificate.write(File.join(folder, "tls.pem")) if configuration.tls?
    File.write(File.join(folder, "httpd.conf"), configuration.text(folder, port, @spawn_dir))
    TestEnvironment.hand_over(folder, configuration.run_as) if configuration.run_as
  end

  # Shown when a test fails: the last lines of the log since a position.
  def tail(from = 0, lines: 60)
    console = LogReader.new(File.join(folder, "logs/console.log")).text
    "--- #{log.path}\n" \
    "#{log.text(from).lines.last(lines).join}#{"--- console\n#{console}" unless console.empty?}"
  end

  private

  # These commands execute httpd itself in the end, so that httpd has the pid.
  def limited
    limits = { "n" => configuration.descriptor_limit, "f" => configuration.file_size_limit }.compact
    return [] if limits.empty?

    set = limits.map { |letter, limit| "ulimit -#{letter} #{limit} && " }.join
    ["bash", "-c", "#{set}exec \"$@\"", "bash"]
  end

  # The mounts end with the last process that sees them.
  def mounted
    return [] if configuration.mounts.empty?

    mounts = configuration.mounts.map { |place, folder| "mount --bind '#{folder}' '#{place}' && " }
    ["unshare", "--mount", "sh", "-c", "#{mounts.join}exec \"$@\"", "sh"]
  end

  def as_user
    if configuration.run_as
      ["setpriv", "--reuid=#{configuration.run_as}", "--regid=nogroup", "--clear-groups"]
    else
      []
    end
  end

  def environment_marker
    "PASSENGER_TEST_ID=#{environment['PASSENGER_TEST_ID']}"
  end

  def wait_until_ready(generations)
    Eventually.eventually("httpd's start", within: 60) do
      raise Failure, "httpd ended at once\n#{tail}" if wait_for_exit(0)

      log.count(READY) >= generations
    end
  end

  def wait_for_exit(seconds)
    Eventually.eventually(within: seconds) { ended? }
  rescue Eventually::TooLate
    false
  end

  def ended?
    @ended ||= @daemon ? !ProcessInfo.read(pid)&.alive? : !Process.wait(pid, Process::WNOHANG).nil?
  end

  def launch(*options)
    spawn(environment, *command(*options), unsetenv_others: true, pgroup: true, chdir: "/",
          in: File::NULL, %i[out err] => [File.join(folder, "logs/console.log"), "a"])
  end

  def pid_in_file
    Integer(File.read(File.join(folder, "httpd.pid")))
  rescue ArgumentError
    nil
  end

  # Repeats the kill, because a supervisor may replace a killed process.
  def end_the_rest
    Eventually.eventually do
      left = tree ? tree.processes : []
      left.each { |process| kill_quietly(process.pid) }
      left.empty?
    end
  rescue Eventually::TooLate => e
    warn "#{folder}: #{e.message}"
  end

  def kill_quietly(pid)
    Process.kill(:KILL, pid)
  rescue SystemCallError
    nil
  end
end

at_exit { HttpdServer.running.dup.each(&:destroy) }
