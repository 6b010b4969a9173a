# frozen_string_literal: true

require_relative "../base/log"

module PhusionPassenger
  # Gives a worker's other connections away while it is at a request that takes long: those over which something comes then, and, when the worker
  # is to end, all that are idle. Its thread runs only while there is work, and only when Ruby's lock is free: a request that does nothing but
  # compute lets it through ten times a second.
  class HttpRebalancer
    # A request that takes so many times the usual time is long; within these bounds, in seconds. Each look takes Ruby's lock away from the
    # request, for some milliseconds where processors are short.
    TIMES = 10
    LONG = (0.005..0.02).freeze
    # How long it looks at the same connections before it asks whether that request is still the one.
    GLANCE = 0.05
    private_constant :TIMES, :LONG, :GLANCE

    # `server` tells idle_connections, ending?, and gives one away: give_away(connection), true if that worked. It is asked while a request runs
    # only, and the server's own thread does not go on meanwhile.
    def initialize(server)
      @server = server
      @lock = Mutex.new
      @bell = Thread::Queue.new
      @resting = true
      @began = nil
      @long = LONG.begin
    end

    # After a rest: there will be requests.
    def wake
      @resting = false
      @thread = Thread.new { run } unless @thread&.alive?
      @bell << true if @bell.empty?
    rescue ThreadError => e
      Log.complaint("lookout.failed", reason: e.message)
    end

    def rest
      @resting = true
    end

    def close
      @resting = true
      @bell.close
    end

    # Yields, which is a request that began then; the usual one takes so many seconds.
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
      sleep(@long) unless began && now - began >= @long && given_all?(began)
    rescue StandardError => e
      Log.exception("lookout.failed", e)
      sleep(@long)
    end

    # False: some could not be given away, and come soon again.
    def given_all?(began)
      idle = @lock.synchronize { @began.equal?(began) ? @server.idle_connections : [] }
      return false if idle.empty?

      ready = @server.ending? ? idle : IO.select(idle, nil, nil, GLANCE)&.first
      return true unless ready

      @lock.synchronize { @began.equal?(began) && ready.all? { |connection| @server.give_away(connection) } }
    rescue IOError # one was closed, since the request has ended
      false
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end
