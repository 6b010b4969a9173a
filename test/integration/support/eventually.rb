# frozen_string_literal: true

require_relative "environment"

# Waits for other processes without fixed sleeps.
module Eventually
  class TooLate < StandardError; end

  # The factor for all limits: sanitizers make programs slower.
  PATIENCE = TestEnvironment.sanitized? ? 3 : 1

  # Seconds, enough for a busy machine that stalls. Only failing tests take this long.
  LIMIT = 60

  # Seconds between two calls: a twentieth of the wait so far, or this multiple of the processor
  # time that the call has taken, between these. Some calls look at all processes of the machine.
  PAUSES = (0.02..0.1).freeze
  COST = 10

  module_function

  # Calls the block until it returns a true value, and returns that value. A block that raises an
  # assertion or a network error is called again. The last error is shown when the time is up.
  # `every`: seconds between two calls; without it, they become rarer during a long wait.
  def eventually(what = "the condition", within: LIMIT, every: nil)
    began = monotonic
    deadline = began + within * PATIENCE
    loop do
      error = nil
      before = thread_time
      begin
        result = yield
        return result if result
      rescue Minitest::Assertion, SystemCallError, IOError => e
        error = e
      end
      if monotonic > deadline
        raise TooLate, "#{what}: not within #{within * PATIENCE} s#{": #{error.message}" if error}"
      end

      cost = COST * (thread_time - before)
      sleep every || [(monotonic - began) / 20, cost].max.clamp(PAUSES)
    end
  end

  # For a block that has to finish in a certain time. A stall of the machine fails one try, a fault
  # all of them. What must never happen is asserted outside the block: a retry would hide it.
  def in_one_of(tries)
    yield
  rescue Minitest::Assertion, SystemCallError, IOError, TooLate
    retry if (tries -= 1).positive?
    raise
  end

  def monotonic
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # This thread's.
  def thread_time
    Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID)
  end
end
