# frozen_string_literal: true

require_relative "../base/hooks"
require_relative "../base/log"
require_relative "../base/monotonic_clock"
require_relative "../rack/input"
require_relative "warm_up_reply"

module PhusionPassenger
  # Answers the requests of PassengerWarmUp before the instance takes others. It is not a health
  # check: whatever comes of the requests, the instance serves.
  class WarmUp
    # Statuses from here on are failures.
    FAILURES = 500
    # Seconds between two looks whether the agent has gone.
    LOOK = 0.1
    # Seconds for a thread to end once it is killed. The agent waits for a little longer only.
    END_LIMIT = 0.1

    # Makes the warm-up of a SERVE. Its time limit counts from now on.
    def self.from(frame)
      new(frame.fields.drop(9), frame.fields[8] ? frame.number(8) : 0)
    end

    # `environments`: of the requests, as an httpd child sends them. `limit`: milliseconds for all
    # requests together.
    def initialize(environments, limit)
      @environments = environments
      @limit = limit
      @deadline = MonotonicClock.now(:millisecond) + limit
      @path = nil
      @pid = Process.pid
    end

    # Returns after the last answer, at the limit, or when the agent has gone or wants this instance
    # no more. A request that hangs is ended, since the application may not expect another one
    # beside it. Its own thread is what a handler's is.
    def run(adapter, control)
      return if @environments.empty?

      thread = Thread.new { answer_all(adapter) }
      thread.report_on_exception = false
      until thread.join([left, LOOK].min)
        # The agent sends nothing before READY.
        break if control.readable?
        next if left.positive?

        failed(reason: "no answer within #{@limit} ms of the instance's start")
        break
      end
      thread.kill
      thread.join(END_LIMIT)
    end

    private

    # Seconds.
    def left
      [@deadline - MonotonicClock.now(:millisecond), 0].max / 1000.0
    end

    def answer_all(adapter)
      Thread.current.name = "Passenger warm-up"
      Hooks.call(:starting_request_handler_thread)
      @environments.each { |environment| answer(adapter, environment.b) unless forked? }
    rescue Exception => e # rubocop:disable Lint/RescueException
      failed(exception: e.class.name, message: Log.message_of(e))
    end

    def answer(adapter, environment)
      @path = environment[/\0REQUEST_URI\0([^\0]*)/, 1]
      began = MonotonicClock.now(:millisecond)
      reply = WarmUpReply.new
      adapter.call(environment, MemoryInput.new("".b), reply)
      tell(reply, MonotonicClock.now(:millisecond) - began) unless forked?
    end

    # A process that the application forks may return from a call, too.
    def forked?
      Process.pid != @pid
    end

    # The adapter logs exceptions.
    def tell(reply, milliseconds)
      status = reply.status
      return failed(reason: "the application did not answer") unless status
      return failed(status: status, reason: "the answer was broken off") if reply.aborted?
      return failed(status: status) if status >= FAILURES

      Log.event("warm_up.done", path: @path, status: status, ms: milliseconds)
    end

    def failed(fields)
      Log.event("warm_up.failed", { path: @path }.compact.merge(fields))
    end
  end
end
