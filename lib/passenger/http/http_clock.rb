# frozen_string_literal: true

module PhusionPassenger
  # The monotonic clock of an HttpServer, and the time of the loop's current step. Deadlines use
  # that time, so that a step reads the clock once. All times are in seconds.
  class HttpClock
    # The time of the last `update`.
    attr_reader :time

    def initialize
      @time = 0
    end

    # Reads the clock, and keeps and returns the time.
    def update
      @time = now
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end
