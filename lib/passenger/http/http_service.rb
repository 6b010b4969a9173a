# frozen_string_literal: true

require_relative "http_adapter"
require_relative "http_reply"

module PhusionPassenger
  # Reads the requests of an HttpServer's connections and has the application answer them, one at
  # a time. Tells the report and the HttpRebalancer when the worker begins to work, and when it
  # rests.
  class HttpService
    CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"
    private_constant :CONTINUE

    def initialize(adapter, connections, output, deadlines, sharing, rebalancer, report, clock)
      @adapter = adapter
      @connections = connections
      @output = output
      @deadlines = deadlines
      @sharing = sharing
      @rebalancer = rebalancer
      @report = report
      @clock = clock
      @busy = false
    end

    # Whether the report says that the worker is busy.
    def busy?
      @busy
    end

    # Reads what has come over the connection. Serves the request if it is complete.
    def advance(connection)
      connection.state == :linger ? connection.receive : read_request(connection)
    end

    # No request has come for a while.
    def rest
      @busy = false
      @rebalancer.rest
      @sharing.rest
      @report.show_requests
      @report.free
    end

    # For HttpReply: whether the worker keeps the connection after the answer that begins now.
    def keep?
      @deadlines.keep_alive?
    end

    # For HttpReply.
    def date_line
      @output.date_line
    end

    # For HttpReply: the connection is the application's from now on.
    def release(connection)
      @connections.release(connection)
    end

    private

    def read_request(connection)
      reader = connection.reader
      if reader.pending?
        bytes = +""
      else
        bytes = connection.receive or return
        @deadlines.begin_request(connection) if reader.fresh?
      end
      return serve(connection, reader) if reader.take(bytes)

      connection.write(CONTINUE) if reader.continue?
    end

    def serve(connection, reader)
      @report.requests += 1
      begin_work unless @busy
      began = @clock.now
      @report.begin_request(began)
      connection.begin_answer
      environment = reader.environment
      environment["REMOTE_ADDR"] = connection.peer.dup
      head_request = environment["REQUEST_METHOD"] == "HEAD"
      reply = HttpReply.new(connection, self, head_request)
      @sharing.begin_request(began)
      @rebalancer.during(began, @sharing.usual_time) do
        @adapter.call(environment, reader.input, reply, head_request: head_request)
      end
      @sharing.end_request(@clock.update - began)
      conclude(connection, reply)
    end

    def begin_work
      @busy = true
      @report.busy
      @rebalancer.wake
    end

    def conclude(connection, reply)
      # The first request proves to the monitor that the worker works.
      rest if @report.requests == 1
      return if reply.hijacked?
      return @output.break_off(connection) if reply.broken? || !reply.finished?

      connection.reader.begin_next
      connection.state = reply.keep? ? :request : :close
      @output.write_on(connection)
    end
  end
end
