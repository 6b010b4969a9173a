# frozen_string_literal: true

require_relative "cpu_slots"
require_relative "http_balance"

module PhusionPassenger
  # How a worker shares work with the other workers: whether it may work now (CpuSlots), and which
  # ready connections it gives away by the ConnectionQueue (HttpBalance).
  class HttpSharing
    # In seconds. Giving a connection away is work for two workers, and the connection waits in the
    # queue. For a single request this is worth it when requests usually take longer.
    WORTH = 0.0002
    # The weight of the last request in the usual time of a request.
    LATEST = 0.1
    # A worker with so many connections needs no CPU slot. Else the workers with CPU slots would
    # collect more connections than they may have.
    CROWD = 100
    private_constant :LATEST, :CROWD

    # How many seconds a request usually takes.
    attr_reader :usual_time

    def initialize(queue, loads, connections, deadlines, clock)
      @queue = queue
      @connections = connections
      @deadlines = deadlines
      @clock = clock
      @cpu_slots = loads.cpu_slots
      @balance = HttpBalance.new(loads, @cpu_slots)
      @usual_time = WORTH
    end

    # Whether requests take long enough to give single ones away.
    def slow?
      @usual_time > WORTH
    end

    # Whether the worker may work. Takes a CPU slot if it needs one.
    def slot?
      return true if @deadlines.finishing?
      return @cpu_slots.take(@clock.time, @balance.workers) if @connections.size < CROWD

      @cpu_slots.leave
      true
    end

    # Yields if the worker has a CPU slot, and gives that back if the block returns nil. Returns the
    # block's value, or nil.
    def leave_slot_unless
      return unless @cpu_slots.taken?

      yield || @cpu_slots.leave
    end

    # True: another worker serves the connection, now or soon. Possible as long as nothing of a
    # request was read.
    def give_away(connection)
      return false unless connection.idle? && @queue.give(connection)

      @connections.drop(connection)
      true
    end

    # Gives away connections that other workers should serve, and removes them from `ready`. Then
    # `admission` may have to take connections out of the queue.
    def share(ready, admission)
      @balance.note(ready.size, @clock.time)
      return if ready.empty? || @balance.alone?

      if !slot?
        give_all_away(ready)
      elsif slow?
        line_up(ready, admission)
      else
        even_out(ready)
      end
    end

    def begin_request(time)
      @cpu_slots.begin_request(time)
    end

    # `seconds`: how long the request took.
    def end_request(seconds)
      @cpu_slots.end_request
      @usual_time += (seconds - @usual_time) * LATEST
    end

    # No request waits.
    def rest
      @balance.rest
    end

    # The worker is to end: the others do not count its connections any more.
    def leave
      @balance.leave
    end

    def close
      @balance.close
      @cpu_slots.close
    end

    private

    # All connections wait in the one queue, so that the longest wait is over first. A single
    # connection would come back at once if nothing is in the queue.
    def line_up(ready, admission)
      return if ready.size == 1 && !admission.queue_ready?

      give_all_away(ready)
      admission.note_queue
    end

    # A connection that cannot be given away stays.
    def give_all_away(ready)
      ready.reject! { |connection| give_away(connection) }
    end

    # Gives away what is more than this worker's part, but never all.
    def even_out(ready)
      return if ready.size < 2

      ready.pop([@balance.excess, ready.size - 1].min).each do |connection|
        give_away(connection) ? @balance.gave : ready << connection
      end
    end
  end
end
