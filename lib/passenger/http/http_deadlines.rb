# frozen_string_literal: true

module PhusionPassenger
  # The time limits of an HttpServer's connections. They become shorter when the worker is to end.
  class HttpDeadlines
    # At the end of the worker: the time in which an idle connection may still bring a request, and
    # the time in which a request that has begun must be complete.
    FAREWELL = 1
    LAST_REQUEST = 5
    # The time in which a worker still reads what a client sends after its last answer.
    LINGERING = 2
    private_constant :LAST_REQUEST, :LINGERING

    # `limits`: HttpServer::Limits.
    def initialize(limits, clock)
      @limits = limits
      @clock = clock
      @finishing = @shortened = false
    end

    # The worker is to end. A signal handler may call this.
    def finish
      @finishing = true
    end

    def finishing?
      @finishing
    end

    # From now on idle connections have less time.
    def shorten(connections)
      @shortened = true
      connections.each do |connection|
        limit(connection, connection.idle? ? FAREWELL : LAST_REQUEST)
      end
    end

    def keep_alive?
      !@finishing && @limits.idle.positive?
    end

    # For a whole request, however slowly it comes.
    def request_time
      @finishing ? [@limits.request, LAST_REQUEST].min : @limits.request
    end

    # The connection is new in this worker. `deadline`: the one that it had in another worker.
    def admit(connection, deadline)
      connection.deadline = deadline || (@clock.time + @limits.request)
      limit(connection, FAREWELL) if @finishing
    end

    # A request has begun, or the rest of it waits in the reader.
    def begin_request(connection)
      connection.deadline = @clock.time + request_time
    end

    # Before `shorten`, the connection may move to another worker, and keeps the usual time there.
    def await_request(connection)
      connection.deadline = @clock.time + (@shortened ? FAREWELL : @limits.idle)
    end

    # The client has to take an answer.
    def begin_wait(connection)
      connection.answer_deadline = @clock.time + @limits.answer
    end

    # The client has taken a part of its answer, or has to begin.
    def be_patient(connection)
      connection.deadline = [@clock.time + @limits.patience, connection.answer_deadline].min
    end

    def linger(connection)
      connection.deadline = @clock.time + LINGERING
    end

    private

    def limit(connection, seconds)
      connection.deadline = [connection.deadline, @clock.time + seconds].min
    end
  end
end
