# frozen_string_literal: true

module PhusionPassenger
  # Compares a worker's queue of ready connections with those of the other workers. The worker gives
  # away as many connections as its queue is too long. So requests wait about equally long in all
  # workers.
  class HttpBalance
    # In seconds: the interval of comparisons. Each compares the longest queue that each worker had
    # since the last one.
    INTERVAL = 0.01
    private_constant :INTERVAL

    # By how many requests the queue is longer than this worker's part, without those that were
    # given away since the last comparison. The part is the number of all waiting requests divided
    # by the number of workers that may work at the same time.
    attr_reader :excess

    attr_reader :workers

    # `loads`: the WorkerLoads. `cpu_slots`: the CpuSlots.
    def initialize(loads, cpu_slots)
      @loads = loads
      @cpu_slots = cpu_slots
      @longest = @excess = @workers = 0
      @next_look = 0
    end

    # Called in each pass with the number of requests that wait here.
    def note(waiting, now)
      @longest = waiting if waiting > @longest
      compare(now) if now >= @next_look
    end

    # Whether there is no other worker.
    def alone?
      @workers < 2
    end

    # A connection was given away.
    def gave
      @excess -= 1 if @excess.positive?
    end

    # No request waits.
    def rest
      @loads.tell(0)
    end

    # From now on the other workers do not count this worker's requests.
    def leave
      @loads.leave
    end

    def close
      @loads.close
    end

    private

    def compare(now)
      @next_look = now + INTERVAL
      @loads.tell(@longest)
      @workers, waiting = @loads.look
      at_once = [@workers, @cpu_slots.wanted].min
      @excess = at_once.zero? ? 0 : [@longest - waiting.fdiv(at_once).ceil, 0].max
      @longest = 0
    end
  end
end
