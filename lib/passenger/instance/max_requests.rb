# frozen_string_literal: true

module PhusionPassenger
  # Counts what all threads of an instance have answered together, and tells once when that is as much as it is to answer.
  class MaxRequests
    # `limit` 0: there is none. `warm_after`: `warm` is called whenever so many more have been answered; 0: never.
    def initialize(limit, warm_after: 0, warm: nil, &reached)
      @limit = limit
      @reached = reached
      @warm_after = warm_after
      @warm = warm
      @answered = 0
      @lock = Mutex.new
    end

    # One more was answered.
    def count
      answered = @lock.synchronize { @answered += 1 }
      @reached.call if answered == @limit
      @warm.call if @warm_after.positive? && (answered % @warm_after).zero?
    end
  end
end
