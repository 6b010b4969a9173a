# frozen_string_literal: true

module PhusionPassenger
  # Forks, or raises Errno::EAGAIN soon. At the limit of processes Ruby's own fork sleeps for a
  # second and tries again, without end.
  module LimitedFork
    # Ruby's fork is interrupted by this; callers do not see it.
    class TooLong < StandardError; end

    # The seconds after which a fork is given up.
    PATIENCE = 2

    # Returns the child's pid. The block runs in the child. A pid that has come is returned, also
    # if it came late. The thread that watches the fork has ended then, and is not in the child.
    def self.call(patience = PATIENCE, &block)
      watcher = watch(Thread.current, patience)
      pid = nil
      begin
        Thread.handle_interrupt(TooLong => :on_blocking) do
          pid = Process.fork { Thread.handle_interrupt(TooLong => :never, &block) }
          watcher.kill.join
        end
      rescue TooLong
        raise Errno::EAGAIN, "fork" unless pid
      ensure
        watcher.kill
      end
      pid
    rescue ThreadError
      # There is no task for the thread either.
      raise Errno::EAGAIN, "fork"
    end

    def self.watch(forker, patience)
      Thread.new do
        sleep(patience)
        forker.raise(TooLong)
      end
    end
    private_class_method :watch
  end
end
