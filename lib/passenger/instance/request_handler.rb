# frozen_string_literal: true

require_relative "body_source"
require_relative "../rack/file_input"
require_relative "../base/log"
require_relative "../wire/queue_end"
require_relative "../rack/rack_adapter"
require_relative "reply"
require_relative "stream_exchange"

module PhusionPassenger
  # Takes requests from the Group's queue and answers them, one after the other. Each handler thread
  # owns one and calls it alone, except `wake`, `busy?` and `abandon`. Always true: a request runs
  # only after it was claimed, and if it was not withdrawn (Claim).
  class RequestHandler
    include Layout::Request

    CHANNEL = "@#{CHANNEL_OFFSET}Q<"
    READ_LIMIT = Layout::MESSAGE_LIMIT + 1
    # Whether Thread#wakeup ends a read.
    WAKES_READERS = RUBY_VERSION.to_f >= 3.1
    # Seconds between two looks at the intake if not.
    LOOK = 0.1
    private_constant :WAKES_READERS, :LOOK

    # `index`: the number of its thread. `max_requests` counts answered requests; nil: they are not
    # counted.
    def initialize(intake:, index:, channels:, adapter:, max_requests: nil)
      @intake = intake
      @index = index
      @channels = channels
      @adapter = adapter
      @max_requests = max_requests
      @buffer = message_buffer
      @out = message_buffer
      @taken_at = 0
      @queue_ended = false
      @thread = nil
      @busy = false
      @reply = nil
      @abandoned = false
    end

    # There is a request in work.
    def busy?
      @busy
    end

    # There is a request in work, and it has no whole answer yet.
    def answering?
      @busy && !@reply&.finished?
    end

    # The process ends without an answer to the request in work. Its claim stays, so that the agent
    # sends LOST.
    def abandon
      @abandoned = true
    end

    # In a process that the application forked.
    def let_go
      @claim&.close
    end

    # Runs until the intake is finished.
    def run
      @thread = Thread.current
      while (handover = @intake.await(self))
        use(handover)
        handle_one while @intake.open? && take
        @intake.queue_ended(handover) if @queue_ended
      end
    ensure
      @thread = nil
    end

    # From another thread: ends the sleep in reading, so that the handler looks at the intake. No
    # message is lost, as it could be if the queue was closed. False: a request is in work, or no
    # thread runs.
    def wake
      thread = @thread
      return false if @busy || !thread

      thread.wakeup
      true
    rescue ThreadError # it has just ended
      false
    end

    private

    def use(handover)
      @queue_ended = false
      return if handover.equal?(@handover)

      @handover = handover
      @queue = handover.queue
      @claim = handover.claim(@index)
    end

    # Reads the next message into the buffer. False: the queue has ended, or no request is to be
    # taken.
    def take
      receive
      @taken_at = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
      @busy = true
    rescue Errno::EINTR # `wake` or another signal, such as SIGCHLD
      @intake.open? ? retry : false
    rescue EOFError # or a message without any bytes
      (@queue_ended = QueueEnd.reached?(@queue)) || !@intake.open? ? false : retry
    rescue IOError
      raise if @intake.open?

      false
    end

    # Native code does not wait, so Ruby waits.
    def receive
      return if Native::LOADED && @queue.is_a?(IO) && Native.receive(@queue, @buffer, READ_LIMIT)
      return receive_by_looks if !WAKES_READERS && @queue.is_a?(IO)

      @queue.sysread(READ_LIMIT, @buffer)
    end

    # Raises Errno::EINTR soon after the intake was closed.
    def receive_by_looks
      while @queue.recv_nonblock(READ_LIMIT, 0, @buffer, exception: false) == :wait_readable
        raise Errno::EINTR unless @intake.open?

        @queue.wait_readable(LOOK)
      end
      raise EOFError if @buffer.empty?
    end

    def handle_one
      # The message names no channel for an answer.
      size = @buffer.bytesize
      return Log.complaint("request.malformed", bytes: size) if size < HEADER_LENGTH

      # Without a channel the request is not claimed and not run: the child finds it not begun.
      channel = @channels.borrow(@buffer.unpack1(CHANNEL)) or return
      answer(channel, withdrawn: !@claim.take(@buffer))
    ensure
      @busy = false
      @reply = nil
    end

    def answer(channel, withdrawn:)
      version, flags, resends, head_length, _channel_id, ticket, sent_at = @buffer.unpack(HEADER)
      reply = Reply.new(channel, ticket, @out, queued_since(sent_at), @handover.serve.sticky_id)
      @reply = reply
      return reply.skip if withdrawn
      return refuse(reply, "version #{version}") if version != Layout::VERSION
      limit = Layout::MESSAGE_LIMIT
      return refuse(reply, "the message has more than #{limit} bytes") if @buffer.bytesize > limit

      reply.transferable = flags.anybits?(TRANSFERABLE)
      reply.takes_file = flags.anybits?(TAKES_FILE)
      respond(channel, reply, flags, head_length, resends)
    rescue ClientGone, BodyBrokenOff
      nil
    rescue BodyNotReceived
      Log.complaint("body.not_received", remedy: "a higher limit of open files")
      @adapter.end_in_error(reply, 503, "Service Unavailable")
    ensure
      conclude(channel, reply)
    end

    # Runs even if the application ends the thread, which no rescue catches. The claim is cleared
    # only after the last message. If that cannot be sent, the error ends this thread and the
    # process, and the agent sends LOST.
    def conclude(channel, reply)
      return if @abandoned && !reply.finished?

      end_unfinished(channel, reply) unless reply.finished?
      return @claim.clear if reply.skipped?

      @claim.complete
      @max_requests&.count
    ensure
      channel.give_back
    end

    def end_unfinished(channel, reply)
      @adapter.end_in_error(reply)
      if reply.finished?
        return Log.event("request.failed", reason: "the application did not finish its answer")
      end

      # A thread of the application may still write there.
      @out = message_buffer
      @channels.drop(channel.id)
    end

    def message_buffer
      String.new(capacity: READ_LIMIT, encoding: Encoding::BINARY)
    end

    # In microseconds.
    def queued_since(sent_at)
      ((@taken_at - sent_at) / 1000).clamp(0, Layout::Reply::QUEUED_LIMIT)
    end

    def respond(channel, reply, flags, head_length, resends)
      return StreamExchange.new(@adapter).run(reply) if flags.anybits?(STREAM)
      return refuse(reply, "the head has #{head_length} bytes") if head_length > HEAD_LIMIT

      here = @buffer.bytesize - HEADER_LENGTH
      if flags.anybits?(BODY_FOLLOWS)
        return respond_to_long(channel, reply, flags, head_length, here, resends)
      end
      return refuse(reply, "the head ends early") if here < head_length

      # Copies. A byteslice would share the buffer's memory, and each request would need a new
      # buffer.
      head, body = @buffer.unpack("x#{HEADER_LENGTH}a#{head_length}a*")
      @adapter.call(head, MemoryInput.new(body), reply, head_request: flags.anybits?(HEAD_REQUEST))
    end

    # The message has only the first `here` bytes of the head and the body.
    def respond_to_long(channel, reply, flags, head_length, here, resends)
      source = reply.body_source = BodySource.new(channel, reply.ticket, resends)
      head = @buffer.unpack1("x#{HEADER_LENGTH}a#{[here, head_length].min}")
      head << source.read_exactly(head_length - here) if here < head_length
      in_file = flags.anybits?(BODY_IN_FILE)
      file, size = source.file if in_file
      input = file ? FileInput.new(file, size) : @adapter.input_for(source, head, kept: in_file)
      @adapter.call(head, input, reply, head_request: flags.anybits?(HEAD_REQUEST))
    end

    def refuse(reply, reason)
      Log.complaint("request.malformed", reason: reason)
      @adapter.refuse(reply)
    end
  end
end
