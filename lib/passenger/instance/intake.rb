# frozen_string_literal: true

require_relative "../wire/queue_pair"

module PhusionPassenger
  # The receiving end of the Group's queue, with the instance's own queue where it has one, and whether the threads of this
  # instance take requests from it. Handlers wait here while they do not; the control thread pauses and resumes, the main thread
  # finishes.
  class Intake
    # So often, a millisecond apart, threads are woken that sleep in reading. Most wake at once.
    WAKINGS = 100

    # `threads`: how many take from it. `own`: the receiving end of the instance's own queue, or nil. The block is called, with the
    # lock held, when it is paused and the last of them is idle.
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

    # Looked at before each request.
    def open?
      @open
    end

    # The queue, as soon as the handler is to take requests from it. Nil: never again.
    def await(handler)
      @lock.synchronize do
        @handlers |= [handler]
        idle(handler) unless @open
        @queue if @open
      end
    end

    # Requests in work are finished. Where it is paused or finished already, nothing changes.
    def pause
      @lock.synchronize do
        return if @paused || @finished

        @paused = true
        close_intake
        tell_if_idle # handlers that had not even noticed that it was resumed
      end
      wake_readers
    end

    # `own`: another queue of its own, instead of the one that it had. False: nothing has changed.
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

    # Runs the block, with the lock held, at a moment when no handler has a request, and none takes one meanwhile. Gives what it
    # gives; nil, and it was not run: that moment did not come within `limit` seconds.
    def while_idle(limit)
      @lock.synchronize { close_intake }
      wake_readers
      @lock.synchronize do
        yield if all_idle_within?(limit)
      ensure
        open_intake unless @paused || @finished
      end
    end

    # Requests in work are finished, and no handler waits any longer.
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

    # In a process that the application forked. It has no other thread, and so needs no lock.
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
      @changed.wait(@lock, deadline - now) until @finished || @idle.size == @threads || now >= deadline
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

    # Again and again, since a thread that was about to read when it was woken sleeps nevertheless.
    def wake_readers
      WAKINGS.times do
        return if @lock.synchronize { @handlers - @idle }.count(&:wake).zero?

        sleep 0.001
      end
    end
  end
end
