# frozen_string_literal: true

require_relative "channel"

module PhusionPassenger
  # The messages that answer one exchange. Each piece goes out as it comes; what is longer than a message may be is cut.
  class Reply
    include Layout::Reply

    def initialize(channel, ticket)
      @channel = channel
      @ticket = ticket
      @started = false
      @finished = false
    end

    # The head was sent: the answer can no longer become another.
    def started?
      @started
    end

    # The last message was sent. An exchange that ends without it has broken its channel.
    def finished?
      @finished
    end

    # Status, header lines, and the first bytes of the body.
    def respond(status, head, bytes = "", last: false)
      if head.bytesize + bytes.bytesize <= PAYLOAD_LIMIT
        message = [@ticket, RESPONSE, last ? LAST : 0, status, head.bytesize, head, bytes]
        @channel.send_message(message.pack("Q<CCvVa*a*"))
        @started = true
        @finished = last
      else
        respond_in_pieces(status, head, bytes, last)
      end
    end

    # Further bytes of the body. Nothing to send is no message, unless it is the last.
    def data(bytes, last: false)
      return if @finished || (bytes.empty? && !last)

      offset = 0
      while bytes.bytesize - offset > PAYLOAD_LIMIT
        send_message(DATA, 0, bytes.byteslice(offset, PAYLOAD_LIMIT))
        offset += PAYLOAD_LIMIT
      end
      send_message(DATA, last ? LAST : 0, offset.zero? ? bytes : bytes.byteslice(offset, PAYLOAD_LIMIT))
      @finished = last
    end

    # The body has ended.
    def finish
      data("", last: true)
    end

    # The ticket was withdrawn: nothing was run.
    def skip
      send_message(SKIPPED, LAST, "")
      @started = @finished = true
    end

    # The application failed after its head was sent.
    def abort
      return if @finished

      send_message(ABORTED, LAST, "")
      @finished = true
    end

    # From now on a stream is spoken, whose other end goes along.
    def accept(io)
      @channel.send_descriptor([@ticket, ACCEPTED, LAST, 0, 0].pack(HEADER), io)
      @started = @finished = true
    end

    private

    def send_message(type, flags, bytes)
      @channel.send_message([@ticket, type, flags, 0, 0, bytes].pack("Q<CCvVa*"))
    end

    def respond_in_pieces(status, head, bytes, last)
      first = head.byteslice(0, PAYLOAD_LIMIT)
      rest = head.byteslice(first.bytesize, head.bytesize)
      room = PAYLOAD_LIMIT - first.bytesize
      message = [@ticket, RESPONSE, 0, status, head.bytesize, first, bytes.byteslice(0, room)]
      @channel.send_message(message.pack("Q<CCvVa*a*"))
      @started = true
      data(rest)
      bytes = bytes.byteslice(room, bytes.bytesize) if room.positive?
      last ? data(bytes, last: true) : data(bytes)
    end
  end
end
