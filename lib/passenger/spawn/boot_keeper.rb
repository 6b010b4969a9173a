# frozen_string_literal: true

require_relative "../base/limited_fork"
require_relative "process_control"
require_relative "wait_statuses"

module PhusionPassenger
  # The parent of a process that boots, until the agent reports the end of the boot on a socket. If
  # the process or the socket ends first, the keeper kills the process and all its descendants. As a
  # subreaper it also finds descendants in other sessions, and those whose parents have ended. It
  # kills children only: the pid of a child that was not waited for belongs to no other process.
  # Descendants become children in turn.
  #
  # A process of its own, with one thread, that the spawn server forks.
  class BootKeeper
    # The exit status if the process has ended before its keeper. Otherwise the spawn server becomes
    # the parent of the process.
    ENDED = 1

    def initialize(boot, wait_status)
      @boot = boot
      @wait_status = wait_status
      @wait_statuses = WaitStatuses.new
    end

    # Forks the process, which calls the block.
    def start(&block)
      $PROGRAM_NAME = "Passenger boot keeper"
      @child_ended, notice = IO.pipe
      trap("CHLD") { notice.write_nonblock("\0", exception: false) }
      ProcessControl.become_subreaper
      @pid = LimitedFork.call(&block)
      @wait_statuses.expect(@pid, @wait_status)
    end

    # Does not return. Finishes once the process has ended, too: daemons may hold the agent's socket
    # open beyond that, and until they close it the agent does not learn of the end.
    def watch
      loop do
        reap
        break unless @wait_statuses.expected?(@pid)

        readable, = IO.select([@boot, @child_ended])
        break if readable.include?(@boot)

        @child_ended.read_nonblock(100)
      end
      sweep unless booted?
      exit!(@wait_statuses.expected?(@pid) ? 0 : ENDED)
    end

    private

    # Whether the agent has reported the end of the boot so far.
    def booted?
      @boot.read_nonblock(1)
    rescue IO::WaitReadable, EOFError, SystemCallError
      nil
    end

    def reap
      while (pid, status = Process.wait2(-1, Process::WNOHANG))
        @wait_statuses.tell(pid, status)
      end
    rescue Errno::ECHILD
      nil
    end

    # Kills until there is no child left.
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
      nil # a program that has changed its user; only that user can end it
    end

    # Includes children that have ended and were not waited for. The kernel's list is there for all
    # users and however /proc is mounted, unless the kernel has none (CONFIG_PROC_CHILDREN).
    def children
      File.read("/proc/self/task/#{Process.pid}/children").split.map(&:to_i)
    rescue Errno::ENOENT
      own = Process.pid
      Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i).select { |pid| parent_of(pid) == own }
    end

    # Nil if the process is gone or hidden. Its name may have any bytes.
    def parent_of(pid)
      File.binread("/proc/#{pid}/stat")[/.*\) \S (\d+)/m, 1].to_i
    rescue SystemCallError
      nil
    end
  end
end
