# frozen_string_literal: true

require_relative "loads_file"
require_relative "test_helper"
require "minitest/mock"
require "passenger/http/connection_queue"
require "passenger/http/http_parser"
require "passenger/http/http_server"
require "passenger/http/prefork_report"
require "passenger/http/worker_loads"

module PhusionPassenger
  # A worker's loop over real sockets, in a thread.
  class HttpServerTestCase < TestCase
    PARSER = HttpParser.load(HttpParser.find)

    # Extends an object that reads the clock by `now`. A test lets time pass, or stops it.
    module Clock
      def put_forward(seconds)
        @passed = passed + seconds
      end

      def stand_still
        @stands_at = now
      end

      def now
        @stands_at || (super + passed)
      end

      private

      def passed
        @passed ||= 0
      end
    end

    # Serves the application while the block runs. `send_buffer`: bytes that the kernel may hold for
    # each client. `acknowledge`: seconds between two signs of life; nil: there are none.
    def serve(app, send_buffer: nil, acknowledge: nil, **limits, &block)
      socket = Socket.tcp_server_sockets("127.0.0.1", 0).first
      socket.setsockopt(Socket::SOL_SOCKET, Socket::SO_SNDBUF, send_buffer) if send_buffer
      @port = socket.local_address.ip_port
      @told = IO.pipe.each { |io| closing(io) }
      # The test's ends of the queue.
      @taking, @giving = UNIXSocket.pair(:SEQPACKET).each { |socket| closing(socket) }
      @server = new_server([socket], app, @told[1], acknowledge: acknowledge, **limits)
      running(@server, &block)
    end

    def new_server(sockets, app, told = closing(File.open(File::NULL, "w")), acknowledge: nil,
                   **limits)
      clock = HttpClock.new.extend(Clock)
      report = PreforkReport.new(told, acknowledge)
      server = HttpServer.new(sockets, new_queue, WorkerLoads.new(loads.dup), app, report, PARSER,
                              limits_with(limits), clock)
      clocks[server] = clock
      server
    end

    # The clocks of the servers.
    def clocks
      @clocks ||= {}.compare_by_identity
    end

    def put_forward(seconds, server = @server)
      clocks.fetch(server).put_forward(seconds)
    end

    # A part of the server.
    def part(name)
      @server.instance_variable_get(:"@#{name}")
    end

    # The servers of this process share the first place.
    def loads
      @loads ||= closing(LoadsFile.new(2)).tap { |file| file.enter(Process.pid, 0) }
    end

    def limits_with(others)
      HttpServer::Limits.new(**HttpServer::LIMITS.to_h.merge({ sweep: 0.05 }, others))
    end

    # Another end of the same queue.
    def new_queue
      ConnectionQueue.new(@taking.dup, @giving.dup)
    end

    # While the block runs.
    def running(server)
      thread = Thread.new { server.run }
      yield
    ensure
      server.finish
      assert thread.join(PATIENCE), "the server does not end"
    end

    def connect
      closing(TCPSocket.new("127.0.0.1", @port)).tap do |socket|
        socket.setsockopt(:TCP, :NODELAY, true)
      end
    end

    # A connection that the server has taken.
    def accepted
      idle = @server.idle_connections.size
      connect.tap { eventually("the acceptance") { @server.idle_connections.size > idle } }
    end

    # One over which the server has got these bytes, which are no whole request.
    def begun(bytes)
      socket = accepted
      idle = @server.idle_connections.size
      socket.write(bytes)
      eventually("the beginning") { @server.idle_connections.size < idle }
      socket
    end

    def refused?
      TCPSocket.new("127.0.0.1", @port).close
    rescue Errno::ECONNREFUSED, Errno::ECONNRESET # the latter while it closes what it listened on
      true
    end

    # All that comes for these bytes, until the server ends the connection.
    def answers(bytes)
      socket = connect
      socket.write(bytes)
      in_time { socket.read }.tap { socket.close }
    end

    # One answer: its head, and a body of known length.
    def answer(socket)
      in_time do
        head = socket.gets("\r\n\r\n")
        [head, socket.read(head[/content-length: (\d+)/i, 1].to_i)]
      end
    end

    def get(path = "/", *lines)
      ["GET #{path} HTTP/1.1", "Host: a", *lines, "", ""].join("\r\n")
    end

    def app(body = ["hello"], headers = {}, status = 200)
      ->(_) { [status, headers, body] }
    end
  end
end
