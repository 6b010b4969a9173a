# frozen_string_literal: true

require_relative "claim"
require_relative "../wire/queue_pair"
require_relative "serve"

module PhusionPassenger
  # What a pool process hands over with SERVE: the queue from which this instance takes requests,
  # and the shared memory in which it claims them. Each pool process has its own. A handler that
  # works at a request of a former handover goes on with that one until the answer is complete.
  class Handover
    # What the frame says.
    attr_reader :serve
    attr_reader :queue

    # `frame`: a SERVE. Raises ProtocolError if it is malformed.
    def initialize(frame)
      @serve = Serve.from(frame)
      cell, threads, = *@serve
      unless threads.positive? && cell + threads <= Layout::Claims::CELLS
        raise ProtocolError, "the agent's SERVE names #{threads} threads from cell #{cell} on"
      end

      queue, @claims, @withdrawals, own =
        frame.take_descriptors(@serve.sticky_id.zero? ? 3 : 4)
      @pair = QueuePair.new(own, queue) if own
      @queue = @pair || queue
    end

    # The claim of the thread with this number.
    def claim(index)
      Claim.in_cell(@claims, @withdrawals, @serve.cell + index)
    end

    # Interrupts threads that sleep in reading, if there is an own queue, until `go_on`.
    def interrupt
      @pair&.interrupt
    end

    def go_on
      @pair&.go_on
    end

    def close
      [@queue, @claims, @withdrawals].each(&:close)
    end
  end
end
