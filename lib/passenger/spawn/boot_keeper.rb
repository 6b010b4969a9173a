# frozen_string_literal: true

require_relative "subreaper"
require_relative "wait_statuses"

module PhusionPassenger
  # The parent of a process that boots, until the agent says on a socket that it has. If the process or that socket ends
  # first, it kills the process and all its descendants: those in other sessions too, and those whose parents have ended, since it is
  # a subreaper. It kills children only, as their descendants become its children in turn: the pid of a child that was
  # not waited for cannot be a stranger's.
  #
  # A process of its own, forked by the spawn server, with one thread.
  class BootKeeper
    # What it exits with when the process has ended in its care. Otherwise the spawn server is its parent from then on.
    ENDED = 1

    def initialize(boot, wait_status)
      @boot = boot
      @wait_status = wait_status
      @wait_statuses = WaitStatuses.new
    end

    # Forks the process, which calls the block.
    def start(&block)
      $PROGRAM_NAME = "Passenger boot keeper"
      trap("CHLD", "DEFAULT")
      Subreaper.become
      @pid = fork(&block)
      @wait_statuses.expect(@pid, @wait_status)
    end

    # Does not return.
    def watch
      trap("CHLD") { look_after_children }
      look_after_children
      finish(@boot.read(1))
    end

    private

    # Daemons may hold its sockets, and the agent does not learn of its end before theirs.
    def look_after_children
      reap
      finish(said) unless @wait_statuses.expected?(@pid)
    end

    # What the agent has said already: a process may end at once after its boot, and is found to have ended first.
    def said
      @boot.read_nonblock(1)
    rescue IO::WaitReadable, EOFError, SystemCallError
      nil
    end

    def finish(booted)
      trap("CHLD", "DEFAULT")
      sweep unless booted
      exit!(@wait_statuses.expected?(@pid) ? 0 : ENDED)
    end

    def reap
      while (pid, status = Process.wait2(-1, Process::WNOHANG))
        @wait_statuses.tell(pid, status)
      end
    rescue Errno::ECHILD
      nil
    end

    # Until there is no child left.
    def sweep
      loop do
        children.each { |pid| kill(pid) }
        @wait_statuses.tell(*Process.wait2(-1))
        reap
      end
    rescue Errno::ECHILD
      nil
    end

    def kill(pid)
      Process.kill("KILL", pid)
    rescue Errno::EPERM
      nil # a program that has made itself another user: that one ends it, or nobody
    end

    # Ended ones too, as long as they were not waited for.
    def children
      own = Process.pid
      Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i).select { |pid| parent_of(pid) == own }
    end

    # Nil: it is gone.
    def parent_of(pid)
      File.read("/proc/#{pid}/stat")[/.*\) \S (\d+)/m, 1].to_i
    rescue Errno::ENOENT, Errno::ESRCH
      nil
    end
  end
end
