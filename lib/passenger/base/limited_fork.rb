# frozen_string_literal: true

require "delegate"
require_relative "monotonic_clock"

module PhusionPassenger
  # Forks, or raises Errno::EAGAIN soon. At the limit of processes Ruby's own fork sleeps for a
  # second and tries again, without end. No thread ends that: at the limit it could not be made,
  # and Ruby 3.3 then hangs (Failure).
  module LimitedFork
    # The seconds after which a fork is not tried again.
    PATIENCE = 2

    # Takes the place of $stdout, which Ruby flushes before each attempt.
    class Output < SimpleDelegator
      def initialize(output, patience)
        super(output)
        @forker = [Process.pid, Thread.current]
        @patience = patience
        @deadline = nil
      end

      def flush
        if @forker == [Process.pid, Thread.current]
          @deadline ||= MonotonicClock.now + @patience
          raise Errno::EAGAIN, "fork" if MonotonicClock.now >= @deadline
        end
        super
      end

      # Somebody may have put another object there meanwhile, or keeps this one.
      def leave
        @forker = nil
        $stdout = __getobj__ if $stdout.equal?(self)
      end
    end
    private_constant :Output

    # Returns the child's pid. The block runs in the child.
    def self.call(patience = PATIENCE)
      $stdout = output = Output.new($stdout, patience)
      Process.fork do
        output.leave
        yield
      end
    ensure
      output.leave
    end
  end
end
