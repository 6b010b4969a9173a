# frozen_string_literal: true

require_relative "../wire/channel"
require_relative "client_socket"
require_relative "../base/log"

module PhusionPassenger
  # One client's connection: its ClientSocket, what is still to be written to it, and until when something has to happen. Of one
  # thread; the HttpServer that it belongs to says when to read and when to write.
  class HttpConnection
    # More than that is not kept for a client that does not read: the application waits for it.
    UNSENT_LIMIT = 256 * 1024
    GONE = PlainClientSocket::GONE
    CLIENT_GONE = "the client has gone"
    # With these a close resets the connection: the client cannot take what came for the whole.
    RESET = [1, 0].pack("ii").freeze
    # SIOCOUTQ of linux/sockios.h: how much the kernel has that the client has not taken.
    QUEUED = 0x5411
    private_constant :GONE, :CLIENT_GONE, :RESET, :QUEUED

    attr_reader :socket, :reader, :peer

    # When its time is over, by the monotonic clock.
    attr_accessor :deadline

    # Until when at last all of an answer has to be sent.
    attr_accessor :answer_deadline

    # What becomes of it: a :request comes next; :close, as soon as all is sent; :linger, until the client has ended it, too.
    attr_accessor :state

    # The HttpServer's notes: it has its turn already; it waits for room; its request was refused.
    attr_accessor :queued, :blocked, :refused

    # Of the `limits` of HttpServer, `patience`: how many seconds a client may take none of what it is sent; `answer`: for how many in all the
    # application may have to wait for it in one answer. `report` is told that the worker lives while it waits.
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

    # What has come; nil when that is nothing yet. Raises ClientGone at the end.
    def receive
      bytes = @socket.receive
      raise ClientGone, CLIENT_GONE if bytes == false

      @full = bytes.bytesize == PlainClientSocket::PIECE if bytes
      bytes
    end

    # It has sent more than was read.
    def unread?
      @socket.more?
    end

    # It is waiting for us.
    def behind?
      @full && unread?
    end

    # From here on waits are counted.
    def begin_answer
      @waited = 0
    end

    # Sends it, now or later.
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

    # Sends on. True: nothing is left.
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

    # For moved?, which tells whether the client has taken anything since then. A socket has room only when a third of its buffer is free;
    # slow clients have taken a lot by then.
    def note_queue
      @queue = queue
    end

    def moved?
      before = @queue
      note_queue < before
    end

    # Tells the log which limit it was: that of a whole answer, or that of one wait.
    def complain_of_slowness(of_answer)
      reason = of_answer ? "it did not take its answer within #{@answer_time} seconds" : "it took nothing of its answer for #{@patience} seconds"
      Log.complaint("client.slow", reason: reason)
    end

    def to_io
      @socket.to_io
    end

    def fileno
      @socket.fileno
    end

    # It has neither a request nor an answer.
    def idle?
      @state == :request && @unsent.empty? && @reader.fresh?
    end

    # Nothing is sent any more; what the client sends still is read, so that its last answer is not lost by a reset.
    def end_output
      to_io.close_write
      @state = :linger
    rescue *GONE
      raise ClientGone, CLIENT_GONE
    end

    # The socket is the application's from now on, in the state that sockets usually have, with all that came and was not used.
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

    # As close, but the client sees that something is missing.
    def reset
      to_io.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, RESET)
    rescue *GONE, SystemCallError
      nil
    ensure
      close
    end

    private

    # How many bytes the kernel takes.
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
      began = now
      writable = room_until?(began + [@patience, @answer_time - @waited].min)
      @waited += now - began
      moved = writable || moved?
      return if moved && @waited < @answer_time

      complain_of_slowness(@waited >= @answer_time)
      # Not even if it takes all at once from now on.
      @unsent.clear
      raise ClientGone, CLIENT_GONE
    end

    # A client that is slow is no worker that hangs: there are signs of life meanwhile.
    def room_until?(time)
      loop do
        @report.alive(now)
        left = [time - now, 0].max
        return true if to_io.wait_writable([left, *@report.interval].min)
        return false if now >= time
      end
    end

    # 0 where it cannot be told: then only room counts.
    def queue
      number = [0].pack("i")
      to_io.ioctl(QUEUED, number)
      number.unpack1("i")
    rescue SystemCallError
      0
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end
