# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # The request's bytes that come on the reply channel in BODY messages: the rest of a long head,
  # then the body. A request that is sent again has a new ticket, but BODY messages under its
  # earlier tickets stay valid. One exchange owns it. After the answer the channel's messages are
  # another request's, also while a thread of the application still reads.
  class BodySource
    FILE_LENGTH = Layout::Reply::HEADER_LENGTH + 8
    private_constant :FILE_LENGTH

    # `resends`: how often the request was sent again, each time with the next ticket.
    def initialize(channel, ticket, resends)
      @channel = channel
      @tickets = (ticket - resends)..ticket
      @buffer = String.new(capacity: Layout::MESSAGE_LIMIT + 1, encoding: Encoding::BINARY)
      @stale = 0
      @unread = nil
      @ended = false
      @over = false
      # Held while a message is taken, but not while one is waited for.
      @lock = Mutex.new
    end

    # The reply calls it before its last message. No message is taken from then on.
    def close
      @lock.synchronize { @over = true }
    end

    # The next bytes, or nil at the end. Raises BodyBrokenOff.
    def next_piece
      receive until @ended || @unread
      piece = @unread
      @unread = nil
      piece
    end

    # Exactly `length` bytes; the next piece has the bytes that came with them.
    def read_exactly(length)
      bytes = String.new(encoding: Encoding::BINARY)
      while bytes.bytesize < length
        piece = next_piece or raise BodyBrokenOff, "the request's head was broken off"
        bytes << piece
      end
      return bytes if bytes.bytesize == length

      @unread = bytes.byteslice(length, bytes.bytesize - length)
      bytes.byteslice(0, length)
    end

    # The file of the body and its size, or nil if the body comes in pieces. Called once, when the
    # head is whole. Raises BodyBrokenOff and BodyNotReceived.
    def file
      loop do
        @buffer, files = @channel.receive_with_files
        ticket, type, = @buffer.unpack(Layout::Reply::HEADER)
        whole = @buffer.bytesize == FILE_LENGTH
        size = @buffer.unpack1("@#{Layout::Reply::HEADER_LENGTH}Q<") if whole
        if size && @tickets.cover?(ticket) && type == Layout::Reply::BODY_FILE
          return (files.first or raise BodyNotReceived).binmode, size
        end

        files.each(&:close)
        return nil if take
      end
    end

    private

    def receive
      @channel.await_message unless @lock.synchronize { receive_now }
    end

    # False: there is no message yet.
    def receive_now
      if @over
        raise BodyBrokenOff, "the rest of the request's body is gone, since its exchange is over"
      end

      received = @channel.receive_now(@buffer)
      take if received
      received
    end

    # Takes the message in the buffer. True: it belongs to the body.
    def take
      ticket, type, flags, _status, _head_length, _queued, _sticky_id, bytes =
        @buffer.unpack("#{Layout::Reply::HEADER}a*")
      return discard unless bytes && @tickets.cover?(ticket) && type == Layout::Reply::BODY
      return discard if @buffer.bytesize > Layout::MESSAGE_LIMIT

      @unread = bytes unless bytes.empty?
      @ended = flags.anybits?(Layout::Reply::LAST)
      true
    end

    # Messages of an earlier exchange are dropped, up to a limit.
    def discard
      @stale += [@buffer.bytesize, Layout::Reply::HEADER_LENGTH].max
      return false if @stale <= Layout::Reply::STALE_LIMIT

      raise BodyBrokenOff, "too many messages of other exchanges on the reply channel"
    end
  end
end
