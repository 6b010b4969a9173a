# frozen_string_literal: true

require_relative "environment"

# Waiting for what other processes do: never longer than needed, and never a bare sleep.
module Eventually
  class TooLate < StandardError; end

  # How many times as long everything may take: with sanitizers it does.
  PATIENCE = TestEnvironment.sanitized? ? 3 : 1

  # Seconds: what a machine may need that stalls and has other things to do. Only what fails takes so long.
  LIMIT = 60

  module_function

  # Calls the block until it returns something true, which is returned. A block that raises an assertion's or a
  # network error is tried again, and its last error is shown when time is up.
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
      raise TooLate, "#{what}: not within #{within * PATIENCE} s#{": #{error.message}" if error}" if monotonic > deadline

      sleep every
    end
  end

  # For what has to happen in a certain time: a stall of the machine spoils one try, and a fault all of them.
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
