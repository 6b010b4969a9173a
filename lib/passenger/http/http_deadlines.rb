# frozen_string_literal: true

require_relative "http_request_body"

module PhusionPassenger
  # The part of HttpServer that sees to it that nobody takes for ever.
  module HttpDeadlines
    # At the end of the worker: how long an idle connection may still bring a request, and how long one that has begun may take to come.
    FAREWELL = 1
    LAST_REQUEST = 5
    # At the end, they are looked at more often.
    SWEEP_AT_END = 0.1

    private

    # For a whole request, however it comes.
    def request_time
      @finishing ? [@limits.request, LAST_REQUEST].min : @limits.request
    end

    def be_patient(connection)
      connection.deadline = [@now + @limits.patience, connection.answer_deadline].min
    end

    def sweep(time)
      @next_sweep = time + (@finishing ? SWEEP_AT_END : @limits.sweep)
      @report.show_requests
      @connections.keys.each { |connection| guard(connection) { time_out(connection) } if connection.deadline <= time }
    end

    # What a client has sent in time, and what waits here since others have their turns, is not late.
    def time_out(connection)
      return drop(connection) if connection.idle? || connection.state == :linger
      return time_out_answer(connection) if connection.unsent?

      raise RefusedRequest.new(408, "the request did not come within #{request_time} seconds") unless connection.behind?
    end

    def time_out_answer(connection)
      moved = connection.moved?
      return be_patient(connection) if moved && connection.deadline < connection.answer_deadline

      connection.complain_of_slowness(connection.deadline >= connection.answer_deadline)
      release(connection)
      connection.reset
    end
  end
end
