# frozen_string_literal: true

require_relative "../wire/channel"
require_relative "client_socket"
require_relative "../base/log"
require_relative "../base/monotonic_clock"

module PhusionPassenger
  # A client's connection: its ClientSocket, the bytes that wait to be sent, and its deadline. Used
  # on one thread. HttpServer decides when to read and to write.
  class HttpConnection
    # The most bytes that wait for a client. With more, the application waits for the client.
    UNSENT_LIMIT = 256 * 1024
    GONE = PlainClientSocket::GONE
    CLIENT_GONE = "the client has closed its connection"
    # With this SO_LINGER, a close resets the connection, so the client cannot take a part of an
    # answer for the whole.
    RESET = [1, 0].pack("ii").freeze
    # SIOCOUTQ of linux/sockios.h: the number of bytes that the kernel holds for the client.
    # POWER has a number of its own.
    QUEUED = RUBY_PLATFORM.start_with?("powerpc") ? 0x40047473 : 0x5411
    private_constant :GONE, :CLIENT_GONE, :RESET, :QUEUED

    attr_reader :socket, :reader, :peer

    # The deadline of what the connection waits for, by the monotonic clock.
    attr_accessor :deadline

    attr_accessor :answer_deadline

    # The state. :request: a request comes next. :close: the connection ends when all is sent.
    # :linger: it ends when the client ends it.
    attr_accessor :state

    # Notes of the HttpServer. `queued`: the connection waits for its turn. `blocked`: it waits for
    # room to write. `refused`: its request was refused.
    attr_accessor :queued, :blocked, :refused

    # `limits`: HttpServer::Limits. `report`: gets signs of life while the application waits for the
    # client.
    def initialize(socket, peer, reader, limits, report)
      @socket = socket
      @peer = peer
      @reader = reader
      @patience = limits.patience
      @answer_time = limits.answer
      @report = report
      @waited = 0
      @full = false
      @unsent = String.new
      @state = :request
      @deadline = 0
    end

    # The bytes that have come; nil: none yet. Raises ClientGone at the end.
    def receive
      bytes = @socket.receive
      raise ClientGone, CLIENT_GONE if bytes == false

      @full = bytes.bytesize == PlainClientSocket::PIECE if bytes
      bytes
    end

    # Whether the client has sent bytes that were not read.
    def unread?
      @socket.more?
    end

    # Raises ClientGone if the client has closed its connection. Unread bytes hide that.
    def check
      bytes = to_io.recv_nonblock(1, Socket::MSG_PEEK, exception: false)
      raise EOFError if bytes.nil? || bytes.empty?
    rescue *GONE
      raise ClientGone, CLIENT_GONE
    end

    # Whether the worker is behind the client: more bytes wait than one read takes.
    def behind?
      @full && unread?
    end

    # Waits for the client are counted from here.
    def begin_answer
      @waited = 0
    end

    # Sends the bytes, now or later.
    def write(bytes)
      if @unsent.empty?
        sent = send_now(bytes)
        return if sent == bytes.bytesize

        @unsent << (sent.zero? ? bytes : bytes.byteslice(sent, bytes.bytesize))
      else
        @unsent << bytes
      end
      wait_for_room if @unsent.bytesize > UNSENT_LIMIT
    end

    # Sends bytes that wait. True: none are left.
    def flush
      until @unsent.empty?
        sent = send_now(@unsent)
        return false if sent.zero?

        sent == @unsent.bytesize ? @unsent.clear : @unsent.slice!(0, sent)
      end
      true
    end

    def unsent?
      !@unsent.empty?
    end

    # Notes how many bytes the kernel holds, for moved?. A socket counts as writable only when a
    # third of its buffer is free; a slow client has taken a lot by then.
    def note_queue
      @queue = queue
    end

    def moved?
      before = @queue
      note_queue < before
    end

    # Logs which limit was exceeded: that of a whole answer, or that of one wait.
    def complain_of_slowness(of_answer)
      reason = if of_answer
                 "the client did not receive its answer within #{@answer_time} seconds"
               else
                 "the client received nothing of its answer for #{@patience} seconds"
               end
      Log.complaint("client.slow", reason: reason)
    end

    def to_io
      @socket.to_io
    end

    def fileno
      @socket.fileno
    end

    # Whether there is neither a request nor an answer.
    def idle?
      @state == :request && @unsent.empty? && @reader.fresh?
    end

    # Ends the output. The worker still reads the client's bytes, since a reset could cost the
    # client its last answer.
    def end_output
      to_io.close_write
      @state = :linger
    rescue *GONE
      raise ClientGone, CLIENT_GONE
    end

    # The socket for the application, in the usual state, with all bytes that came and were not
    # used.
    def hand_over
      wait_until_sent
      rest = @reader.take_rest
      to_io.ungetbyte(rest) unless rest.empty?
      to_io
    end

    def close
      @reader.release
      @socket.close
    rescue *GONE
      nil
    end

    # Closes the connection so that the client sees that something is missing.
    def reset
      to_io.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, RESET)
    rescue *GONE, SystemCallError
      nil
    ensure
      close
    end

    private

    # Returns how many bytes the kernel takes.
    def send_now(bytes)
      sent = @socket.transmit(bytes)
      raise ClientGone, CLIENT_GONE if sent == false

      sent || 0
    end

    def wait_for_room
      wait_writable until flush || @unsent.bytesize <= UNSENT_LIMIT
    end

    def wait_until_sent
      wait_writable until flush
    end

    def wait_writable
      note_queue
      began = MonotonicClock.now
      writable = room_until?(began + [@patience, @answer_time - @waited].min)
      @waited += MonotonicClock.now - began
      moved = writable || moved?
      return if moved && @waited < @answer_time

      complain_of_slowness(@waited >= @answer_time)
      # A client that reads again from now on gets no more.
      @unsent.clear
      raise ClientGone, CLIENT_GONE
    end

    # Sends signs of life meanwhile: a slow client does not mean that the worker hangs.
    def room_until?(time)
      loop do
        @report.alive(MonotonicClock.now)
        left = [time - MonotonicClock.now, 0].max
        return true if to_io.wait_writable([left, *@report.interval].min)
        return false if MonotonicClock.now >= time
      end
    end

    # The bytes that the kernel holds; 0 if it does not tell. Then only room counts.
    def queue
      number = [0].pack("i")
      to_io.ioctl(QUEUED, number)
      number.unpack1("i")
    rescue SystemCallError
      0
    end
  end
end
