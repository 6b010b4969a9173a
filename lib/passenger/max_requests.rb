# frozen_string_literal: true

module PhusionPassenger
  # Counts what all threads of an instance have answered together, and tells once when that is as much as it is to answer.
  class MaxRequests
    def initialize(limit, &reached)
      @limit = limit
      @reached = reached
      @answered = 0
      @lock = Mutex.new
    end

    # One more was answered.
    def count
      @reached.call if @lock.synchronize { @answered += 1 } == @limit
    end
  end
end
