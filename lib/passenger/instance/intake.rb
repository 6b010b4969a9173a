# frozen_string_literal: true

require_relative "../wire/queue_pair"

module PhusionPassenger
  # The receiving end of the Group's queue and, for sticky sessions, of the instance's own queue. It
  # says whether handlers take requests; they wait here otherwise. The control thread pauses and
  # resumes, the main thread finishes. Thread-safe.
  class Intake
    # Attempts, a millisecond apart, to wake threads that sleep in reading. Most wake at once.
    WAKINGS = 100

    # `threads`: the number of handlers. `own`: the receiving end of the instance's own queue, or
    # nil. The block is called with the lock held, when the last handler of a paused intake becomes
    # idle.
    def initialize(queue, threads, own = nil, &idle)
      @pair = QueuePair.new(own, queue) if own
      @queue = @pair || queue
      @threads = threads
      @tell_idle = idle
      @lock = Mutex.new
      @changed = ConditionVariable.new
      @handlers = []
      @idle = []
      @open = true
      @paused = false
      @finished = false
    end

    # Handlers ask before each request.
    def open?
      @open
    end

    # Waits until the handler may take requests, and returns the queue. Nil: never again.
    def await(handler)
      @lock.synchronize do
        @handlers |= [handler]
        idle(handler) unless @open
        @queue if @open
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

    # `own` replaces the instance's own queue, unless it is nil. False: the intake was not paused,
    # or it is finished.
    def resume(own = nil)
      @lock.synchronize do
        if !@paused || @finished
          own&.close
          return false
        end

        @paused = false
        open_intake(own)
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
        @pair&.interrupt unless @finished
        @open = false
        @finished = true
        @changed.broadcast
      end
      wake_readers
      @queue.close
    end

    # In a process that the application forked, which has no other threads and needs no lock.
    def let_go
      @open = false
      @finished = true
      @queue.close
      @handlers = []
    end

    private

    def close_intake
      @pair&.interrupt if @open
      @open = false
    end

    def open_intake(own = nil)
      @pair&.go_on(own)
      @open = true
      @changed.broadcast
    end

    def all_idle_within?(limit)
      deadline = now + limit
      until @finished || @idle.size == @threads || now >= deadline
        @changed.wait(@lock, deadline - now)
      end
      !@finished && @idle.size == @threads
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def idle(handler)
      @idle << handler
      tell_if_idle
      @changed.broadcast if @idle.size == @threads
      @changed.wait(@lock) until @open || @finished
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
