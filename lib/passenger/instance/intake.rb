# frozen_string_literal: true

require_relative "handover"
require_relative "../base/monotonic_clock"

module PhusionPassenger
  # Says from which queue handlers take requests, and whether they do; they wait here otherwise. The
  # control thread pauses, resumes and replaces, the main thread finishes. Thread-safe.
  class Intake
    # Attempts, a millisecond apart, to wake threads that sleep in reading. Most wake at once.
    WAKINGS = 100

    # The block is called with the lock held, when the last handler of a paused intake becomes idle.
    def initialize(handover, &idle)
      @handover = handover
      @threads = handover.serve.threads
      @former = []
      @using = {}.compare_by_identity
      @tell_idle = idle
      @lock = Mutex.new
      @changed = ConditionVariable.new
      @handlers = []
      @idle = []
      @paused = handover.serve.paused
      @open = !@paused
      @ended = false
      @finished = false
    end

    # Handlers ask before each request.
    def open?
      @open
    end

    # Waits until the handler may take requests, and returns the Handover. Nil: never again. The
    # handler has no request of another Handover any more.
    def await(handler)
      @lock.synchronize do
        @handlers |= [handler]
        @using.delete(handler)
        close_former
        idle(handler) unless available?
        @using[handler] = @handover if @open
      end
    end

    # All requests of this queue are taken, and none follows. Handlers wait for the next Handover.
    def queue_ended(handover)
      @lock.synchronize { @ended = true if handover.equal?(@handover) }
    end

    # Another pool process serves. Handlers use its Handover as soon as the queue of the former one,
    # which has ended, is empty.
    def replace(handover)
      @lock.synchronize do
        return handover.close if @finished

        @former << @handover
        @handover = handover
        @ended = false
        close_former
        take_state_of(handover)
      end
    end

    # Handlers finish their requests, and take no more until `resume`. Does nothing if it is paused
    # or finished.
    def pause
      @lock.synchronize do
        return if @paused || @finished

        @paused = true
        close_intake
        tell_if_idle # handlers that had not even noticed that it was resumed
      end
      wake_readers
    end

    # False: the intake was not paused, or it is finished.
    def resume
      @lock.synchronize do
        return false if !@paused || @finished

        @paused = false
        open_intake
      end
      true
    end

    # Runs the block with the lock held, while no handler has a request or takes one. Returns the
    # block's result. Nil: the block did not run, because there was no such moment within `limit`
    # seconds.
    def while_idle(limit)
      @lock.synchronize { close_intake }
      wake_readers
      @lock.synchronize do
        yield if all_idle_within?(limit)
      ensure
        open_intake unless @paused || @finished
      end
    end

    # Handlers finish their requests, and none waits any longer.
    def finish
      @lock.synchronize do
        @handover.interrupt unless @finished
        @open = false
        @finished = true
        @changed.broadcast
      end
      wake_readers
      [*@former, @handover].each { |handover| handover.queue.close }
    end

    # In a process that the application forked, which has no other threads and needs no lock.
    def let_go
      @open = false
      @finished = true
      [*@former, @handover].each(&:close)
      @handlers = []
    end

    private

    def available?
      @open && !@ended
    end

    def close_former
      unused, @former = @former.partition { |handover| @using.each_value.none?(handover) }
      unused.each(&:close)
    end

    # Readers of the former queue notice its end.
    def take_state_of(handover)
      was_paused = @paused
      @paused = handover.serve.paused
      if @paused
        @open = false
        tell_if_idle unless was_paused
      elsif was_paused
        open_intake
      end
      @changed.broadcast
    end

    def close_intake
      @handover.interrupt if @open
      @open = false
    end

    def open_intake
      @handover.go_on
      @open = true
      @changed.broadcast
    end

    def all_idle_within?(limit)
      deadline = MonotonicClock.now + limit
      until @finished || @idle.size == @threads || MonotonicClock.now >= deadline
        @changed.wait(@lock, deadline - MonotonicClock.now)
      end
      !@finished && @idle.size == @threads
    end

    def idle(handler)
      @idle << handler
      tell_if_idle
      @changed.broadcast if @idle.size == @threads
      @changed.wait(@lock) until available? || @finished
    ensure
      @idle.delete(handler)
    end

    def tell_if_idle
      @tell_idle.call if @paused && !@finished && @idle.size == @threads
    end

    # Repeats the signal: a thread that was about to read at the first one sleeps all the same.
    def wake_readers
      WAKINGS.times do
        return if @lock.synchronize { @handlers - @idle }.count(&:wake).zero?

        sleep 0.001
      end
    end
  end
end
