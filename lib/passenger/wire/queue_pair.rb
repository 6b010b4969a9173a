# frozen_string_literal: true

require "socket"
require_relative "queue_end"

module PhusionPassenger
  # The instance's own queue and the Group's, read as if they were one: what is in the own one comes first. For the threads it is
  # what a single queue is, but that a thread which sleeps here is woken by `interrupt`.
  class QueuePair
    def initialize(own, common)
      @own = own
      @common = common
      @ended = nil
      @interrupted, @interrupt = IO.pipe
    end

    # The next message into the buffer. Raises Errno::EINTR while it is interrupted, and EOFError where there are no bytes in the Group's
    # queue: at its end, or in a message without any.
    def sysread(limit, buffer)
      sleep_until_readable until take_own(limit, buffer) || take_common(limit, buffer)
      buffer
    end

    # These are for QueueEnd. The end of the Group's queue is the end.
    def wait(...)
      @common.wait(...)
    end

    def recv_nonblock(...)
      @common.recv_nonblock(...)
    end

    # Until `go_on`.
    def interrupt
      @interrupt.write_nonblock(".", exception: false)
    end

    # With another own queue, unless it is nil. The old one is left to the garbage collector: a thread may still look at it.
    def go_on(own = nil)
      @own = own if own
      @interrupted.read_nonblock(1000, exception: false)
    end

    def close
      [@own, @common, @interrupted, @interrupt].each(&:close)
    end

    def closed?
      @common.closed?
    end

    private

    # Its end means that the agent sends nobody here any more, not that the instance is to end.
    def take_own(limit, buffer)
      own = open_own or return false
      message = own.recv_nonblock(limit, 0, buffer, exception: false)
      return false if message == :wait_readable
      return true unless message.nil? || message.empty?

      @ended = own if QueueEnd.reached?(own)
      false
    end

    # Nil where it has ended.
    def open_own
      own = @own
      own unless own.equal?(@ended)
    end

    def take_common(limit, buffer)
      message = @common.recv_nonblock(limit, 0, buffer, exception: false)
      return false if message == :wait_readable
      raise EOFError, "no bytes" if message.nil? || message.empty?

      true
    end

    def sleep_until_readable
      ready, = IO.select([@interrupted, open_own, @common].compact)
      raise Errno::EINTR if ready.include?(@interrupted)
    end
  end
end
