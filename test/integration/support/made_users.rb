# frozen_string_literal: true

require "etc"
require "fileutils"
require "open3"
require "tmpdir"

require_relative "environment"

# Users for the duration of the tests, each with a home folder, a group of its own, and bash as
# login shell. Needs root.
module MadeUsers
  User = Struct.new(:name, :home, keyword_init: true) do
    def uid
      Etc.getpwnam(name).uid
    end

    def gid
      Etc.getpwnam(name).gid
    end
  end

  module_function

  # Makes a user for each new `key`, which is a word.
  def [](key)
    (@users ||= {})[key] ||= make("pt#{Process.pid}#{key}")
  end

  # A uid without a user.
  def unknown_uid
    (54_321..).find do |uid|
      Etc.getpwuid(uid).nil?
    rescue ArgumentError
      true
    end
  end

  def make(name)
    FileUtils.mkdir_p(TestEnvironment::WORK_DIR)
    home = Dir.mktmpdir("home-", TestEnvironment::WORK_DIR)
    run("useradd", "--no-log-init", "--no-create-home", "--user-group", "--shell", "/bin/bash",
        "--home-dir", home, name)
    FileUtils.chown(name, name, home)
    User.new(name: name, home: home)
  end

  def remove_all
    (@users || {}).each_value do |user|
      run("userdel", user.name)
      FileUtils.rm_rf(user.home)
    end
    @users = nil
  end

  # One at a time: such a command fails while another one holds the lock of /etc/passwd.
  def run(*command)
    output, status = File.open(File.join(TestEnvironment::WORK_DIR, "users.lock"), "w") do |lock|
      lock.flock(File::LOCK_EX)
      Open3.capture2e(*command)
    end
    raise "#{command.join(' ')} failed: #{output}" unless status.success?
  end
end

at_exit { MadeUsers.remove_all }
