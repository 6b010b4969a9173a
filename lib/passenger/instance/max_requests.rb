# frozen_string_literal: true

module PhusionPassenger
  # Counts the requests that all threads of an instance have answered (PassengerMaxRequests), and
  # calls the block once when the limit is reached. Thread-safe.
  class MaxRequests
    # `limit` 0: no limit. `warm` is called after each `warm_after` answered requests
    # (PassengerReforkAfter); 0: never.
    def initialize(limit, warm_after: 0, warm: nil, &reached)
      @limit = limit
      @reached = reached
      @warm_after = warm_after
      @warm = warm
      @answered = 0
      @lock = Mutex.new
    end

    # Calls the block again if the limit was reached: another pool process does not know it.
    def remind
      @reached.call if @limit.positive? && @answered >= @limit
    end

    def count
      answered = @lock.synchronize { @answered += 1 }
      @reached.call if answered == @limit
      @warm.call if @warm_after.positive? && (answered % @warm_after).zero?
    end
  end
end
