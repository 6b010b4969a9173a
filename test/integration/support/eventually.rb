# frozen_string_literal: true

require_relative "environment"

# Waits for other processes without fixed sleeps.
module Eventually
  class TooLate < StandardError; end

  # The factor for all limits: sanitizers make programs slower.
  PATIENCE = TestEnvironment.sanitized? ? 3 : 1

  # Seconds, enough for a busy machine that stalls. Only failing tests take this long.
  LIMIT = 60

  module_function

  # Calls the block until it returns a true value, and returns that value. A block that raises an
  # assertion or a network error is called again. The last error is shown when the time is up.
  def eventually(what = "the condition", within: LIMIT, every: 0.02)
    deadline = monotonic + within * PATIENCE
    loop do
      error = nil
      begin
        result = yield
        return result if result
      rescue Minitest::Assertion, SystemCallError, IOError => e
        error = e
      end
      if monotonic > deadline
        raise TooLate, "#{what}: not within #{within * PATIENCE} s#{": #{error.message}" if error}"
      end

      sleep every
    end
  end

  # For a block that has to finish in a certain time. A stall of the machine fails one try, a fault
  # all of them.
  def in_one_of(tries)
    yield
  rescue Minitest::Assertion, SystemCallError, IOError, TooLate
    retry if (tries -= 1).positive?
    raise
  end

  def monotonic
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
