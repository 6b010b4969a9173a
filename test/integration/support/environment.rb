# frozen_string_literal: true

require "etc"
require "fileutils"
require "open3"
require "pathname"
require "rbconfig"

# Paths of the build under test, and users of the tests. Environment variables may set each path.
module TestEnvironment
  SOURCE_DIR = File.expand_path("../../..", __dir__)
  # Without links, as /proc shows paths.
  BUILD_DIR = ENV.fetch("BUILD_DIR", File.join(SOURCE_DIR, "build")).then do |folder|
    File.exist?(folder) ? File.realpath(folder) : File.expand_path(folder)
  end
  PASSENGER_ROOT = File.expand_path(ENV.fetch("PASSENGER_ROOT", File.join(BUILD_DIR, "root")))
  PASSENGER_MODULE =
    File.expand_path(ENV.fetch("PASSENGER_MODULE",
                               File.join(BUILD_DIR, "ext/apache2/.libs/mod_passenger.so")))
  STUB_DIR = File.join(SOURCE_DIR, "test/stub")
  # All files of the tests are below it: servers, copies of applications, logs.
  WORK_DIR = File.join(BUILD_DIR, "integration")

  WEB_USER = "www-data"
  OTHER_USER = "daemon"

  # The Node of the tests and of their applications, instead of the one in PATH: a program `node`.
  unless ENV["NODE"].to_s.empty?
    ENV["PATH"] = "#{File.dirname(File.expand_path(ENV.fetch('NODE')))}:#{ENV.fetch('PATH')}"
  end

  # curl has no exception for 127.0.0.1.
  ENV["no_proxy"] = "127.0.0.1,#{ENV['no_proxy'] || ENV['NO_PROXY']}"

  # Debian 13 gives users 002. The agent refuses a registry folder into which a group may write.
  File.umask(0o022)

  module_function

  # True if httpd and the tested programs run with sanitizers (script/sanitize --integration). They
  # then run slower and keep freed memory.
  def sanitized?
    !given("PASSENGER_TEST_SANITIZED").nil?
  end

  def root?
    Process.uid.zero?
  end

  # The user of httpd's children.
  def web_user
    root? ? WEB_USER : Etc.getpwuid.name
  end

  # Gives a test's files to httpd's user, as whom the applications run.
  def hand_over(path, user = WEB_USER)
    FileUtils.chown_R(user, Etc.getgrgid(Etc.getpwnam(user).gid).name, path) if root?
    path
  end

  def httpd
    @httpd ||= given("HTTPD") || find_command("apache2", "httpd") ||
               abort("No apache2 and no httpd in PATH: install the package apache2")
  end

  # The variable's value; nil if it is empty.
  def given(name)
    ENV[name] unless ENV[name].to_s.empty?
  end

  def find_command(*names)
    folders = ENV.fetch("PATH", "").split(":") + %w[/usr/sbin /usr/local/sbin]
    names.each do |name|
      folders.each do |folder|
        return File.join(folder, name) if File.executable?(File.join(folder, name))
      end
    end
    nil
  end

  # The folder of httpd's own modules.
  def modules_dir
    @modules_dir ||= given("HTTPD_MODULES") || query_apxs || "/usr/lib/apache2/modules"
  end

  def query_apxs
    apxs = given("APXS") || find_command("apxs2", "apxs") or return nil
    text, status = Open3.capture2(apxs, "-q", "LIBEXECDIR")
    text.strip if status.success? && !text.strip.empty?
  end

  # Modules that are built into httpd, like "mod_so.c".
  def compiled_in
    @compiled_in ||= Open3.capture2(httpd, "-l").first.scan(/\S+\.c$/)
  end

  # Ends with one message that names a remedy, instead of many failing tests.
  def check!
    unless File.file?(PASSENGER_MODULE)
      abort "#{PASSENGER_MODULE} is not there: run make first, or set PASSENGER_MODULE"
    end
    unless File.exist?(PASSENGER_ROOT)
      abort "#{PASSENGER_ROOT} is not there: run make first, or set PASSENGER_ROOT"
    end
    FileUtils.mkdir_p(WORK_DIR)
    [WORK_DIR, PASSENGER_ROOT].each { |path| check_reachable(path) if root? }
    # So that the process of each file need not ask httpd and apxs.
    [modules_dir, compiled_in]
  end

  # httpd's children and the applications run as another user, who must be able to enter the folder.
  def check_reachable(path)
    Pathname.new(File.realpath(path)).ascend do |folder|
      next if folder.file? || folder.stat.mode.anybits?(0o001)

      abort "The tests run as root, and httpd's children as #{WEB_USER}, who may not enter " \
            "#{folder}: " \
            "build somewhere else, or run the tests as an ordinary user"
    end
  end
end
