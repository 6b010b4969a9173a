# frozen_string_literal: true

require_relative "claim"
require_relative "../wire/frame"
require_relative "../wire/queue_pair"

module PhusionPassenger
  # What a pool process hands over with SERVE: the queue from which this instance takes requests,
  # and the shared memory in which it claims them. Each pool process has its own. A handler that
  # works at a request of a former handover goes on with that one until the answer is complete.
  class Handover
    # `sticky_id`: this instance's id for sticky sessions, or 0.
    attr_reader :queue, :threads, :sticky_id

    # Raises ProtocolError if the frame is malformed.
    def self.from(frame)
      sticky_id = frame.fields[4] ? frame.number(4) : 0
      queue, claims, withdrawals, own = frame.take_descriptors(sticky_id.zero? ? 3 : 4)
      new(queue: queue, claims: claims, withdrawals: withdrawals, own: own,
          cell: frame.number(0), threads: frame.number(1), sticky_id: sticky_id,
          paused: frame.fields[7] == "1")
    end

    # `own`: the receiving end of the instance's own queue, or nil. `cell`: that of the first
    # thread.
    # `paused`: no request is taken before the agent says so.
    def initialize(queue:, claims: nil, withdrawals: nil, own: nil, cell: 0, threads: 1,
                   sticky_id: 0, paused: false)
      unless threads.positive? && cell + threads <= Layout::Claims::CELLS
        raise ProtocolError, "the agent's SERVE names #{threads} threads from cell #{cell} on"
      end

      @pair = QueuePair.new(own, queue) if own
      @queue = @pair || queue
      @claims = claims
      @withdrawals = withdrawals
      @cell = cell
      @threads = threads
      @sticky_id = sticky_id
      @paused = paused
    end

    def paused?
      @paused
    end

    # The claim of the thread with this number.
    def claim(index)
      Claim.in_cell(@claims, @withdrawals, @cell + index)
    end

    # Interrupts threads that sleep in reading, if there is an own queue, until `go_on`.
    def interrupt
      @pair&.interrupt
    end

    def go_on
      @pair&.go_on
    end

    def close
      [@queue, @claims, @withdrawals].compact.each(&:close)
    end
  end
end
