# frozen_string_literal: true

require_relative "../base/monotonic_clock"
require_relative "../wire/channel"

module PhusionPassenger
  # The reply channels that this instance knows. Handler threads look them up; the control thread
  # adds those that were asked for. A look-up of a known channel takes no lock of all channels.
  class Channels
    # Seconds. A child sends a request again that nobody has claimed after one.
    PATIENCE = 2
    private_constant :PATIENCE

    # `patience`: how long `borrow` waits for the agent.
    def initialize(control, patience: PATIENCE)
      @control = control
      @patience = patience
      @known = {}
      # The agent has not answered yet.
      @wanted = {}
      @lock = Mutex.new
      @news = ConditionVariable.new
      @closed = false
    end

    # The channel, which the caller gives back. Nil: its child is gone, or the agent does not
    # answer. A late answer counts for later requests.
    def borrow(id)
      (@known[id] || fetch(id))&.borrow
    end

    # From the control thread: a channel that was asked for.
    def add(id, socket)
      @lock.synchronize do
        @known[id]&.retire
        @known[id] = Channel.new(id, socket)
        @wanted.delete(id)
        @news.broadcast
      end
    end

    # From the control thread: the agent knows no such channel.
    def refuse(id)
      @lock.synchronize do
        @wanted.delete(id)
        @news.broadcast
      end
    end

    # Channels that will not be used again.
    def drop(id)
      @lock.synchronize { @known.delete(id) }&.retire
    end

    # Another pool process serves. The former one answers nothing any more, and its channels are of
    # no use for new requests.
    def forget
      @lock.synchronize do
        former = @known
        @known = {}
        @wanted.clear
        @news.broadcast
        former.each_value(&:retire)
      end
    end

    # The agent has gone: no more channels come.
    def stop
      @lock.synchronize do
        @closed = true
        @news.broadcast
      end
    end

    # In a process that the application forked.
    def close_all
      @known.each_value(&:close)
      @known.clear
    end

    def size
      @known.size
    end

    private

    def fetch(id)
      @lock.synchronize do
        ask(id) unless @known[id] || @wanted[id] || @closed
        wait_for(id)
        @known[id]
      end
    end

    def wait_for(id)
      deadline = MonotonicClock.now + @patience
      until @known[id] || !@wanted[id] || @closed
        left = deadline - MonotonicClock.now
        break if left <= 0

        @news.wait(@lock, left)
      end
    end

    def ask(id)
      @wanted[id] = true
      @control.write(Frame::Control::FETCH, id)
    rescue *Channel::GONE
      @closed = true
    rescue SystemCallError # such as ENOBUFS: the channel's next request asks again
      @wanted.delete(id)
    end
  end
end
