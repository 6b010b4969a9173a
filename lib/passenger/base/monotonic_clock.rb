# frozen_string_literal: true

module PhusionPassenger
  # A clock that nobody sets.
  module MonotonicClock
    # The time in seconds, or in `unit`.
    def self.now(unit = :float_second)
      Process.clock_gettime(Process::CLOCK_MONOTONIC, unit)
    end
  end
end
