# frozen_string_literal: true

require "fcntl"
require "socket"
require_relative "../wire/channel"

module PhusionPassenger
  # Writes the answer of a stream exchange: status line, header lines, an empty line, and the body
  # until the end.
  class StreamReply
    def initialize(io)
      @io = io
      @started = false
      @finished = false
    end

    def started?
      @started
    end

    def finished?
      @finished
    end

    # A stream has one answer only.
    def interim(_status, _head); end

    # The client does not speak HTTP, so the connection cannot be hijacked.
    def hijacking(_environment)
      nil
    end

    def hijackable?
      false
    end

    def takes_file?
      false
    end

    def respond(status, head, bytes = "", last: false)
      @started = true
      send_bytes("Status: #{status}#{reason(status)}\r\n#{head}\r\n".b)
      data(bytes, last: last)
    end

    def data(bytes, last: false)
      return if @finished

      @finished = last
      send_bytes(bytes)
    end

    def finish
      @finished = true
    end

    # A stream can report a failure only by its end.
    def abort
      @finished = true
    end

    private

    def send_bytes(bytes)
      @io.write(bytes)
    rescue Errno::EPIPE, Errno::ECONNRESET, IOError
      raise ClientGone, "the client has closed its connection"
    end

    def reason(status)
      phrases = defined?(::Rack::Utils::HTTP_STATUS_CODES) && ::Rack::Utils::HTTP_STATUS_CODES
      phrase = phrases && phrases[status]
      phrase ? " #{phrase}" : ""
    end
  end

  # One exchange over a stream pair (section 3.4 of doc/PROTOCOLS.md). The other end goes to the
  # child, which sends the environment and the body there. A handler owns it for one request.
  class StreamExchange
    CHUNK = 65_536

    def initialize(adapter)
      @adapter = adapter
    end

    # Runs the exchange to its end, in the caller's thread.
    def run(reply)
      @io, theirs = blocking_pair
      reply.accept(theirs)
      theirs.close
      length = read_exactly(4).unpack1("V")
      if length > Layout::Request::HEAD_LIMIT
        raise BodyBrokenOff, "the environment has #{length} bytes"
      end

      head = read_exactly(length)
      @adapter.call(head, @adapter.input_for(self, head), StreamReply.new(@io))
    rescue ClientGone, BodyBrokenOff, Errno::ETOOMANYREFS # the answer is unfinished
      nil
    ensure
      theirs&.close
      @io&.close
    end

    # For the input: the next bytes of the body, or nil at its end.
    def next_piece(limit = CHUNK)
      @io.sysread(limit)
    rescue Errno::EINTR
      retry
    rescue EOFError
      nil
    rescue Errno::ECONNRESET, IOError
      raise BodyBrokenOff, "the request's body was broken off"
    end

    private

    # Ruby makes non-blocking sockets, and the child would share that flag.
    def blocking_pair
      UNIXSocket.pair(:STREAM).each do |io|
        io.fcntl(Fcntl::F_SETFL, io.fcntl(Fcntl::F_GETFL) & ~Fcntl::O_NONBLOCK)
      end
    end

    def read_exactly(length)
      bytes = String.new(encoding: Encoding::BINARY)
      while bytes.bytesize < length
        piece = next_piece(length - bytes.bytesize)
        raise BodyBrokenOff, "the request's head was broken off" unless piece

        bytes << piece
      end
      bytes
    end
  end
end
