# frozen_string_literal: true

require_relative "http_connection"
require_relative "http_request_reader"

module PhusionPassenger
  # The connections of an HttpServer, and those of them that are ready and wait for their turn. The
  # poller watches each connection either for input or for room to write.
  class HttpConnections
    # Readers of requests that are kept for the next connections.
    SPARE_READERS = 32
    private_constant :SPARE_READERS

    # `template`: the environment that all requests begin with.
    def initialize(poller, limits, report, template, parser_class)
      @poller = poller
      @limits = limits
      @report = report
      @template = template
      @parser_class = parser_class
      @connections = {}.compare_by_identity
      @readers = []
      @ready = []
    end

    # The poller does not watch it yet.
    def add(socket, peer)
      connection = HttpConnection.new(socket, peer, reader, @limits, @report)
      @connections[connection] = true
      connection
    end

    def include?(connection)
      @connections.key?(connection)
    end

    def to_a
      @connections.keys
    end

    def size
      @connections.size
    end

    def empty?
      @connections.empty?
    end

    def full?
      @connections.size >= @limits.connections
    end

    # Connections without a request and without an answer.
    def idle
      @connections.keys.select(&:idle?)
    end

    # The idle connection with the first deadline; nil if there is none.
    def longest_idle
      idle.min_by(&:deadline)
    end

    def watch_input(connection)
      @poller.read(connection)
    end

    def watch_room(connection)
      @poller.write(connection)
    end

    # The connection has its turn in the next pass.
    def queue(connection)
      connection.queued ||= @ready << connection
    end

    def any_ready?
      !@ready.empty?
    end

    # The connections that wait for their turn, without those that ended since they became ready.
    def take_ready
      ready = @ready
      @ready = []
      ready.select! { |connection| @connections.key?(connection) }
      ready
    end

    # The connection belongs to the application from now on, or the caller closes it. False: it was
    # released before.
    def release(connection)
      return false unless @connections.delete(connection)

      @poller.forget(connection)
      true
    end

    def drop(connection)
      known = release(connection)
      connection.close
      # A reader that is kept twice would serve two connections.
      @readers << connection.reader.start_over if known && @readers.size < SPARE_READERS
    end

    def close
      @connections.each_key(&:close)
      @connections.clear
    end

    private

    def reader
      @readers.pop || HttpRequestReader.new(@template, @parser_class.new)
    end
  end
end
