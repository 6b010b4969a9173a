# frozen_string_literal: true

require "etc"

module PhusionPassenger
  # The account that processes run as: this process's own. The environment of its programs.
  class Account
    # The account of a user without a name, as in some containers.
    Nameless = Struct.new(:name, :uid, :gid, :dir, :shell)

    DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    # `name`: this process's user, since several users may have the same id. Nil: the first of them.
    def initialize(name = nil)
      @entry = entry(name)
    end

    # The user's login shell.
    def shell
      @entry.shell
    end

    def environment
      {
        "PATH" => ENV.fetch("PATH", DEFAULT_PATH),
        "LANG" => "C.UTF-8",
        "HOME" => @entry.dir,
        "USER" => @entry.name,
        "LOGNAME" => @entry.name,
        "SHELL" => shell
      }
    end

    private

    def entry(name)
      name ? Etc.getpwnam(name) : Etc.getpwuid(Process.euid)
    rescue ArgumentError
      Nameless.new(Process.euid.to_s, Process.euid, Process.egid, "/", "/bin/sh")
    end
  end
end
