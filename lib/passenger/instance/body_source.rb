# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # Request bytes that follow on the reply channel in BODY messages: the rest of a long head, then the body. A
  # request that was sent again has a new ticket, but what came under the earlier ones is not sent again.
  class BodySource
    FILE_LENGTH = Layout::Reply::HEADER_LENGTH + 8
    private_constant :FILE_LENGTH

    # `tickets`: all that the exchange has had.
    def initialize(channel, tickets)
      @channel = channel
      @tickets = tickets
      @buffer = String.new(capacity: Layout::MESSAGE_LIMIT + 1, encoding: Encoding::BINARY)
      @stale = 0
      @unread = nil
      @ended = false
    end

    # The next bytes, or nil at the end. Raises BodyBrokenOff.
    def next_piece
      if @unread
        piece = @unread
        @unread = nil
        return piece
      end
      receive until @ended || @unread
      piece = @unread
      @unread = nil
      piece
    end

    # Exactly that many bytes; what came with them is the next piece.
    def read_exactly(length)
      bytes = String.new(encoding: Encoding::BINARY)
      while bytes.bytesize < length
        piece = next_piece or raise BodyBrokenOff, "the request head was broken off"
        bytes << piece
      end
      return bytes if bytes.bytesize == length

      @unread = bytes.byteslice(length, bytes.bytesize - length)
      bytes.byteslice(0, length)
    end

    # The body, where it is in a file: that and its size, or nil where it comes in pieces all the same. To be called once, when
    # the head is whole. Raises BodyBrokenOff.
    def file
      loop do
        @buffer, files = @channel.receive_with_files
        ticket, type, = @buffer.unpack(Layout::Reply::HEADER)
        size = @buffer.unpack1("@#{Layout::Reply::HEADER_LENGTH}Q<") if @buffer.bytesize == FILE_LENGTH
        if size && @tickets.cover?(ticket) && type == Layout::Reply::BODY_FILE && files.length == 1
          return files.first.binmode, size
        end

        files.each(&:close)
        return nil if take
      end
    end

    private

    def receive
      @channel.receive(@buffer)
      take
    end

    # What is in the buffer. True: it belongs to the body.
    def take
      ticket, type, flags, _status, _head_length, _queued, _sticky_id, bytes = @buffer.unpack("#{Layout::Reply::HEADER}a*")
      return discard unless bytes && @tickets.cover?(ticket) && type == Layout::Reply::BODY
      return discard if @buffer.bytesize > Layout::MESSAGE_LIMIT

      @unread = bytes unless bytes.empty?
      @ended = flags.anybits?(Layout::Reply::LAST)
      true
    end

    # Messages of an earlier exchange are dropped, but not without end.
    def discard
      @stale += [@buffer.bytesize, Layout::Reply::HEADER_LENGTH].max
      return false if @stale <= Layout::Reply::STALE_LIMIT

      raise BodyBrokenOff, "too many messages of other exchanges on the reply channel"
    end
  end
end
