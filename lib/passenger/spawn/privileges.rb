# frozen_string_literal: true

require "etc"

module PhusionPassenger
  # Changes the user of this process for good. Also gives the environment of that user's programs.
  class Privileges
    class Refused < StandardError; end

    # The account of a user without a name, as in some containers.
    Nameless = Struct.new(:name, :uid, :gid, :dir, :shell)

    DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    # An empty user means the user of this process; an empty group means the user's own group.
    # Raises Refused for a name that does not exist.
    def initialize(user, group)
      @account = user.empty? ? own_account : find_user(user)
      @group = group.empty? ? nil : find_group(group)
      @asked = !(user.empty? && group.empty?)
    end

    # Without root no change is possible, and none is tried.
    def drop
      return unless @asked && Process.euid.zero?

      gid = @group ? @group.gid : @account.gid
      groups = if @account.is_a?(Nameless)
                 Process.groups = [gid]
               else
                 Process.initgroups(@account.name, gid)
               end
      Process::GID.change_privilege(gid)
      Process::UID.change_privilege(@account.uid)
      verify(gid, groups)
    rescue SystemCallError => e
      raise Refused, "cannot become user #{@account.name}: #{e.message}"
    end

    # True if the process would have to change its user or group, and cannot.
    def skipped?
      @asked && !Process.euid.zero? &&
        (@account.uid != Process.euid || (@group && @group.gid != Process.egid))
    end

    # The user's login shell.
    def shell
      @account.shell
    end

    def environment
      {
        "PATH" => ENV.fetch("PATH", DEFAULT_PATH),
        "LANG" => "C.UTF-8",
        "HOME" => @account.dir,
        "USER" => @account.name,
        "LOGNAME" => @account.name,
        "SHELL" => shell
      }
    end

    private

    def own_account
      Etc.getpwuid(Process.euid)
    rescue ArgumentError
      Nameless.new(Process.euid.to_s, Process.euid, Process.egid, "/", "/bin/sh")
    end

    def find_user(name)
      Etc.getpwnam(name)
    rescue ArgumentError
      raise Refused, "there is no user named \"#{name}\""
    end

    def find_group(name)
      Etc.getgrnam(name)
    rescue ArgumentError
      raise Refused, "there is no group named \"#{name}\""
    end

    # `groups`: the supplementary groups that the change returned. They are not looked up again: a
    # database on the network may know the groups of a user without listing its groups.
    def verify(gid, groups)
      ids = [Process.uid, Process.euid, Process.gid, Process.egid]
      lasts = ids == [@account.uid, @account.uid, gid, gid] && Process.groups.sort == groups.sort
      return if lasts && (@account.uid.zero? || !can_return?)

      raise Refused, "the change to user #{@account.name} did not last"
    end

    def can_return?
      Process::Sys.setuid(0)
      true
    rescue Errno::EPERM
      false
    end
  end
end
