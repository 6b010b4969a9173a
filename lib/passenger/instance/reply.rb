# frozen_string_literal: true

require_relative "../wire/channel"
require_relative "../rack/hijacking"
require_relative "../base/native"

module PhusionPassenger
  # The messages that answer one exchange. Each piece goes out as it comes; what is longer than a message may be is cut.
  class Reply
    include Layout::Reply
    include Hijacking

    # "@0" begins at the start of the buffer, whose memory stays.
    HEADER_FORMAT = "@0#{HEADER}"
    RESPONSE_FORMAT = "@0#{HEADER}a*a*"
    FULL_FORMAT = "@0#{HEADER}a#{PAYLOAD_LIMIT}"
    MESSAGE_FORMAT = "@0#{HEADER}a*"
    # Connections that the application has taken over and may hold still.
    STREAMS = ObjectSpace::WeakMap.new
    private_constant :HEADER_FORMAT, :RESPONSE_FORMAT, :FULL_FORMAT, :MESSAGE_FORMAT, :STREAMS

    attr_reader :ticket

    # In a process that was forked from the application's: else they would not end when the application ends them.
    def self.close_hijacked
      STREAMS.each_key(&:close)
    end

    # Messages are put together in the buffer, which the caller may use for another reply afterwards. `queued`: for how many
    # microseconds the request was on its way, and `sticky_id`: by what this instance is asked for again. The child is told both.
    def initialize(channel, ticket, buffer = +"", queued = 0, sticky_id = 0)
      @channel = channel
      @ticket = ticket
      @buffer = buffer
      @queued = queued
      @sticky_id = sticky_id
      @started = false
      @finished = false
      @skipped = false
      @environment = nil
    end

    # The head was sent: the answer can no longer become another.
    def started?
      @started
    end

    # The last message was sent. An exchange that ends without it has broken its channel.
    def finished?
      @finished
    end

    # Nothing was run.
    def skipped?
      @skipped
    end

    # Status, header lines, and the first bytes of the body.
    def respond(status, head, bytes = "", last: false)
      if head.bytesize + bytes.bytesize <= PAYLOAD_LIMIT
        send_response(status, head.bytesize, head, bytes, last)
        @started = true
        @finished = last
      else
        respond_in_pieces(status, head, bytes, last)
      end
    end

    # Further bytes of the body. Nothing to send is no message, unless it is the last.
    def data(bytes, last: false)
      return if @finished || (bytes.empty? && !last)

      while bytes.bytesize > PAYLOAD_LIMIT
        send_message(DATA, 0, bytes, FULL_FORMAT)
        bytes = bytes.byteslice(PAYLOAD_LIMIT, bytes.bytesize) # shares the memory
      end
      send_message(DATA, last ? LAST : 0, bytes)
      @finished = last
    end

    # The body has ended.
    def finish
      data("", last: true)
    end

    # The ticket was withdrawn: nothing was run.
    def skip
      send_message(SKIPPED, LAST, "")
      @started = @finished = @skipped = true
    end

    # The application failed after its head was sent.
    def abort
      return if @finished

      send_message(ABORTED, LAST, "")
      @finished = true
    end

    # An answer before the answer: 1xx. Once the answer has begun it goes nowhere.
    def interim(status, head)
      return if @started || head.bytesize > PAYLOAD_LIMIT

      fields = [@ticket, INTERIM, 0, status, head.bytesize, 0, 0, head]
      @channel.send_message(fields.pack(MESSAGE_FORMAT, buffer: @buffer))
    end

    # A hijack after this head.
    def respond_and_hijack(status, head)
      stream = hand_over(0)
      respond(status, head, last: true)
      stream
    end

    # From now on a stream is spoken, whose other end goes along.
    def accept(io)
      @channel.send_descriptor([@ticket, ACCEPTED, LAST, 0, 0, 0, 0].pack(HEADER), io)
      @started = @finished = true
    end

    private

    # Both ends of the stream are theirs, who have it: the application and the child.
    def take_over
      hand_over(LAST).tap { @started = @finished = true }
    end

    def hand_over(flags)
      ours, theirs = UNIXSocket.pair(:STREAM)
      @channel.send_descriptor([@ticket, HIJACKED, flags, 0, 0, @queued, @sticky_id].pack(HEADER), theirs)
      STREAMS[ours] = true
      ours
    ensure
      theirs&.close
    end

    def send_response(status, head_length, head, bytes, last)
      fields = [@ticket, RESPONSE, last ? LAST : 0, status, head_length, @queued, @sticky_id]
      return if Native::LOADED && @channel.send_parts(fields.pack(HEADER_FORMAT, buffer: @buffer), head, bytes)

      @channel.send_message(fields.push(head, bytes).pack(RESPONSE_FORMAT, buffer: @buffer))
    end

    def send_message(type, flags, bytes, format = MESSAGE_FORMAT)
      @channel.send_message([@ticket, type, flags, 0, 0, 0, 0, bytes].pack(format, buffer: @buffer))
    end

    def respond_in_pieces(status, head, bytes, last)
      first = head.byteslice(0, PAYLOAD_LIMIT)
      room = PAYLOAD_LIMIT - first.bytesize
      send_response(status, head.bytesize, first, bytes.byteslice(0, room), false)
      @started = true
      data(head.byteslice(first.bytesize, head.bytesize))
      data(bytes.byteslice(room, bytes.bytesize), last: last)
    end
  end
end
