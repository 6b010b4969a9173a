# frozen_string_literal: true

require_relative "../base/log"
require_relative "../base/monotonic_clock"

module PhusionPassenger
  # Gives connections away while the worker is at a long request: connections that become ready, and
  # all idle ones when the worker is to end. Its thread runs when Ruby's lock is free. A request
  # that only computes leaves it the lock ten times a second.
  class HttpRebalancer
    # A request is long when it takes TIMES the usual time, within the bounds LONG, in seconds. Each
    # look takes Ruby's lock from the request, for some milliseconds if processors are busy.
    TIMES = 10
    LONG = (0.005..0.02).freeze
    # In seconds: after this time the thread checks whether the request still runs.
    GLANCE = 0.05
    private_constant :TIMES, :LONG, :GLANCE

    # `server` has idle_connections, ending? and give_away(connection), which returns true if it
    # worked. The thread calls these only during a request, while the server's thread does nothing
    # else. Raises ThreadError if there is no thread for it. It is made now, because a failure
    # during work would cost the requests: Ruby 3.3 then hangs (Failure).
    def initialize(server)
      @server = server
      @lock = Mutex.new
      @bell = Thread::Queue.new
      @resting = true
      @began = nil
      @long = LONG.begin
      Thread.new { run }
    end

    # Requests follow after a rest.
    def wake
      @resting = false
      @bell << true if @bell.empty?
    end

    def rest
      @resting = true
    end

    def close
      @resting = true
      @bell.close
    end

    # Yields to a request that began at `began`. `usual_time`: the usual time of a request, in
    # seconds.
    def during(began, usual_time)
      @long = (usual_time * TIMES).clamp(LONG)
      @began = began
      yield
    ensure
      @lock.synchronize { @began = nil }
    end

    private

    def run
      Thread.current.name = "passenger: rebalancer"
      look until @resting while @bell.pop
    end

    def look
      began = @began
      sleep(@long) unless began && MonotonicClock.now - began >= @long && given_all?(began)
    rescue StandardError => e
      Log.exception("lookout.failed", e)
      sleep(@long)
    end

    # False: some connections could not be given away, and will be ready again soon.
    def given_all?(began)
      idle = @lock.synchronize { @began.equal?(began) ? @server.idle_connections : [] }
      return false if idle.empty?

      ready = @server.ending? ? idle : IO.select(idle, nil, nil, GLANCE)&.first
      return true unless ready

      @lock.synchronize do
        @began.equal?(began) && ready.all? { |connection| @server.give_away(connection) }
      end
    rescue IOError, Errno::EBADF # one was closed, since the request has ended
      false
    end
  end
end
