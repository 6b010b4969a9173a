# frozen_string_literal: true

require_relative "../wire/channel"
require_relative "../rack/hijacking"
require_relative "../base/native"
require_relative "transferred_socket"

module PhusionPassenger
  # Writes the messages that answer one request. Each piece is sent as it comes; a piece that is too
  # long for a message is cut. A handler owns it for one request.
  class Reply
    include Layout::Reply
    include Hijacking

    # "@0" writes from the start of the buffer, so that its memory is used again.
    HEADER_FORMAT = "@0#{HEADER}"
    RESPONSE_FORMAT = "@0#{HEADER}a*a*"
    FILE_FORMAT = "#{HEADER}#{FILE_RANGE}"
    FULL_FORMAT = "@0#{HEADER}a#{PAYLOAD_LIMIT}"
    MESSAGE_FORMAT = "@0#{HEADER}a*"
    # Connections that the application has taken over and may still hold.
    STREAMS = ObjectSpace::WeakMap.new
    private_constant :HEADER_FORMAT, :RESPONSE_FORMAT, :FILE_FORMAT, :FULL_FORMAT, :MESSAGE_FORMAT,
                     :STREAMS

    attr_reader :ticket

    # True: the child can give the client's own socket away.
    attr_writer :transferable

    # True: the child takes the end of a body as an open file.
    attr_writer :takes_file

    # What reads the request's body from the channel. Nil: the body came with the request.
    attr_writer :body_source

    # In a forked process: otherwise the connections stay open when the application closes them.
    def self.close_hijacked
      STREAMS.each_key(&:close)
    end

    # Whether one more connection leaves enough descriptors for all else.
    def self.room_for_client?
      most = Process.getrlimit(:NOFILE).first / 2
      # Closed ones may still be in memory.
      STREAMS.size < most || STREAMS.keys.count { |one| !one.closed? } < most
    end

    # `buffer` holds a message at a time; the caller may use it again after this reply. `queued`:
    # microseconds from the sending of the request until the instance took it. `sticky_id`: this
    # instance's id for sticky sessions, or 0.
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
      @transferable = false
      @takes_file = false
      @body_source = nil
    end

    def takes_file?
      @takes_file
    end

    # The head was sent: it is too late for another answer.
    def started?
      @started
    end

    # The last message was sent. A channel without it cannot be used again.
    def finished?
      @finished
    end

    # The request did not run.
    def skipped?
      @skipped
    end

    # Sends status, header lines and the first bytes of the body.
    def respond(status, head, bytes = "", last: false)
      if head.bytesize + bytes.bytesize <= PAYLOAD_LIMIT
        @body_source&.close if last
        send_response(status, head.bytesize, head, bytes, last)
        @started = true
        @finished = last
      else
        respond_in_pieces(status, head, bytes, last)
      end
    end

    # Sends more bytes of the body. Sends no empty message, unless it is the last one.
    def data(bytes, last: false)
      return if @finished || (bytes.empty? && !last)

      while bytes.bytesize > PAYLOAD_LIMIT
        send_message(DATA, 0, bytes, FULL_FORMAT)
        bytes = bytes.byteslice(PAYLOAD_LIMIT, bytes.bytesize) # shares the memory
      end
      @body_source&.close if last
      send_message(DATA, last ? LAST : 0, bytes)
      @finished = last
    end

    # Ends the body with bytes of an open file. False: nothing was sent, since more descriptors of
    # this user are in sockets than a process may have open.
    def file(file, offset, length)
      @body_source&.close
      fields = [@ticket, ANSWER_FILE, LAST, 0, 0, 0, 0, offset, length]
      @channel.send_descriptor(fields.pack(FILE_FORMAT), file)
      @finished = true
    rescue Errno::ETOOMANYREFS
      false
    end

    # Ends the body.
    def finish
      data("", last: true)
    end

    # Raises ClientGone if the client has left.
    def check_client
      @channel.check
    end

    # The request was withdrawn and did not run.
    def skip
      @skipped = true
      send_message(SKIPPED, LAST, "")
      @started = @finished = true
    end

    # The application failed after the head was sent.
    def abort
      return if @finished

      @body_source&.close
      send_message(ABORTED, LAST, "")
      @finished = true
    end

    # An interim answer (1xx). It is not sent after the head. A thread that outlives its request may
    # call it when the buffer has another request's message.
    def interim(status, head)
      return if @started || head.bytesize > PAYLOAD_LIMIT

      fields = [@ticket, INTERIM, 0, status, head.bytesize, 0, 0, head]
      @channel.send_message(fields.pack(MESSAGE_FORMAT))
    end

    # Sends this head, and takes the connection over.
    def respond_and_hijack(status, head)
      stream = hand_over(0)
      respond(status, head, last: true)
      connection_by(stream)
    end

    # Changes to a stream, whose other end goes to the child.
    def accept(io)
      @channel.send_descriptor([@ticket, ACCEPTED, LAST, 0, 0, 0, 0].pack(HEADER), io)
      @started = @finished = true
    end

    private

    # The exchange is over: the application owns the connection.
    def take_over
      @body_source&.close
      stream = hand_over(LAST)
      @started = @finished = true
      connection_by(stream)
    end

    # The client's own socket, or the stream, by which the child passes the bytes on.
    def connection_by(stream)
      connection = @transferable ? TransferredSocket.receive(stream) : stream
      STREAMS[connection] = true
      connection
    end

    def hand_over(flags)
      @transferable &&= Reply.room_for_client?
      ours, theirs = UNIXSocket.pair(:STREAM)
      flags |= WANTS_CLIENT if @transferable
      header = [@ticket, HIJACKED, flags, 0, 0, @queued, @sticky_id].pack(HEADER)
      @channel.send_descriptor(header, theirs)
      ours
    ensure
      theirs&.close
    end

    def send_response(status, head_length, head, bytes, last)
      fields = [@ticket, RESPONSE, last ? LAST : 0, status, head_length, @queued, @sticky_id]
      if Native::LOADED
        header = fields.pack(HEADER_FORMAT, buffer: @buffer)
        return if @channel.send_parts(header, head, bytes)
      end
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
