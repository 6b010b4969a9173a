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
        @deadline = MonotonicClock.now + patience
      end

      def flush
        late = MonotonicClock.now >= @deadline && @forker == [Process.pid, Thread.current]
        raise Errno::EAGAIN, "fork" if late

        super
      end
    end
    private_constant :Output

    # Returns the child's pid. The block runs in the child.
    def self.call(patience = PATIENCE)
      output = $stdout
      $stdout = Output.new(output, patience)
      Process.fork do
        $stdout = output
        yield
      end
    ensure
      $stdout = output
    end
  end
end
