# frozen_string_literal: true

require "socket"
require_relative "queue_end"

module PhusionPassenger
  # The instance's own queue (PassengerStickySessions), or that for requests of high priority
  # (PassengerPriorityQueue), and the Group's queue, read as one. Messages of the own queue come
  # first, but after MOST_IN_A_ROW of them the common queue has its turn, so that no message waits
  # for ever. Handlers use it like a single queue, but `interrupt` wakes a thread that sleeps here.
  # Thread-safe.
  class QueuePair
    MOST_IN_A_ROW = 4

    def initialize(own, common)
      @own = own
      @common = common
      @ended = false
      @in_a_row = 0
      @interrupted, @interrupt = IO.pipe
    end

    # Reads the next message into the buffer. Raises Errno::EINTR while it is interrupted. Raises
    # EOFError if a read of the Group's queue returns no bytes: at its end, or for an empty message.
    def sysread(limit, buffer)
      sleep_until_readable until take(limit, buffer)
      buffer
    end

    # For QueueEnd: the end of the Group's queue is the end of the pair.
    def to_io
      @common
    end

    def recv_nonblock(...)
      @common.recv_nonblock(...)
    end

    # Interrupts reads until `go_on`.
    def interrupt
      @interrupt.write_nonblock(".", exception: false)
    end

    def go_on
      @interrupted.read_nonblock(1000, exception: false)
    end

    def close
      [@own, @common, @interrupted, @interrupt].each(&:close)
    end

    def closed?
      @common.closed?
    end

    private

    def take(limit, buffer)
      turn = @in_a_row >= MOST_IN_A_ROW
      return true if turn && take_common(limit, buffer)

      if take_own(limit, buffer)
        @in_a_row += 1
        true
      else
        !turn && take_common(limit, buffer)
      end
    end

    # The end of the own queue does not end the instance: the agent sends no more requests there.
    def take_own(limit, buffer)
      return false if @ended

      message = @own.recv_nonblock(limit, 0, buffer, exception: false)
      return false if message == :wait_readable
      return true unless message.nil? || message.empty?

      @ended = true if QueueEnd.reached?(@own)
      false
    end

    def take_common(limit, buffer)
      message = @common.recv_nonblock(limit, 0, buffer, exception: false)
      return false if message == :wait_readable
      raise EOFError, "no bytes" if message.nil? || message.empty?

      @in_a_row = 0
      true
    end

    def sleep_until_readable
      ready, = IO.select([@interrupted, (@own unless @ended), @common].compact)
      raise Errno::EINTR if ready.include?(@interrupted)
    end
  end
end
