# frozen_string_literal: true

# A program of its own: ruby keeper.rb LOG USER COMMAND...
#
# Runs COMMAND (as USER, unless that is empty) and adopts all descendants, daemons too. Its standard
# input ends if the benchmark closes it or ends in any way. COMMAND then gets SIGTERM, and processes
# that are left after a while get SIGKILL. The output has the names of the killed processes, one a
# line.

require 'etc'
require 'fiddle'
require_relative 'process_tree'

module Bench
  class Keeper
    PR_SET_CHILD_SUBREAPER = 36
    GRACE_SECONDS = 15

    def initialize(log, user, command)
      @log = log
      @user = user
      @command = command
      @deadline = nil
      @told = false
    end

    def run
      Process.setsid # the terminal's Ctrl-C is for the benchmark alone
      become_subreaper
      @wake_reader, wake_writer = IO.pipe
      trap('CHLD') { wake_writer.write_nonblock('.', exception: false) }
      %w[INT TERM HUP].each { |signal| trap(signal) { @deadline ||= now + GRACE_SECONDS } }
      @main = start
      until all_gone?
        wait
        stop if @deadline
      end
    end

    private

    def become_subreaper
      prctl = Fiddle::Function.new(Fiddle.dlopen(nil)['prctl'],
                                   [Fiddle::TYPE_INT] + [Fiddle::TYPE_LONG] * 4, Fiddle::TYPE_INT)
      unless prctl.call(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0).zero?
        raise 'prctl(PR_SET_CHILD_SUBREAPER) failed'
      end
    end

    def start
      fork do
        %w[CHLD INT TERM HUP].each { |signal| trap(signal, 'DEFAULT') }
        $stdin.reopen(File::NULL)
        $stdout.reopen(@log, 'a')
        $stderr.reopen($stdout)
        drop_privileges unless @user.empty?
        exec(*@command)
      end
    end

    def drop_privileges
      entry = Etc.getpwnam(@user)
      Process.initgroups(@user, entry.gid)
      Process::GID.change_privilege(entry.gid)
      Process::UID.change_privilege(entry.uid)
      ENV.update('HOME' => entry.dir, 'USER' => @user)
    end

    # The keeper adopts all descendants: without a child there is no descendant left.
    def all_gone?
      while (pid = Process.wait(-1, Process::WNOHANG))
        @deadline ||= now + GRACE_SECONDS if pid == @main
        @main = nil if pid == @main
      end
      false
    rescue Errno::ECHILD
      true
    end

    def wait
      inputs = @deadline ? [@wake_reader] : [@wake_reader, $stdin]
      ready, = IO.select(inputs, nil, nil, @deadline ? 0.1 : nil)
      return unless ready

      @wake_reader.read_nonblock(4096, exception: false) if ready.include?(@wake_reader)
      @deadline ||= now + GRACE_SECONDS if ready.include?($stdin)
    end

    def stop
      Process.kill('TERM', @main) if @main && !@told
      @told = true
      return if now < @deadline

      ProcessTree.new.below(Process.pid).each do |process|
        $stdout.puts process.name
        Process.kill('KILL', process.pid)
      rescue Errno::ESRCH
        nil
      end
      $stdout.flush
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end

log, user, *command = ARGV
Bench::Keeper.new(log, user, command).run
