# frozen_string_literal: true

module PhusionPassenger
  # How much longer a worker's queue is than the others', so that it may give as many connections away: then requests wait about equally long,
  # whichever worker their connections have come to.
  class HttpBalance
    # So often, in seconds, queues are compared: the longest of each worker since the last time.
    INTERVAL = 0.01
    private_constant :INTERVAL

    # By how many requests it is longer than its part, without those that were given away since the last look: the part of each where all that
    # wait are shared by as many workers as may work at once.
    attr_reader :excess

    # How many workers there are.
    attr_reader :workers

    # `loads`: the WorkerLoads; `CPU slots`: the CpuSlots.
    def initialize(loads, cpu_slots)
      @loads = loads
      @cpu_slots = cpu_slots
      @longest = @excess = @workers = 0
      @next_look = 0
    end

    # In each pass: so many requests wait here.
    def note(waiting, now)
      @longest = waiting if waiting > @longest
      compare(now) if now >= @next_look
    end

    # There is nobody to give anything to.
    def alone?
      @workers < 2
    end

    # One was given away.
    def gave
      @excess -= 1 if @excess.positive?
    end

    # Nothing waits.
    def rest
      @loads.tell(0)
    end

    # For what this worker still has others do not count it.
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
