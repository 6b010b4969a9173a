# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # The reply channels that this instance knows. Handler threads look them up; the control thread
  # adds those that were asked for. A look-up of a known channel takes no lock.
  class Channels
    def initialize(control)
      @control = control
      @known = {}
      @wanted = {}
      @lock = Mutex.new
      @news = ConditionVariable.new
      @closed = false
    end

    # The channel, which the caller gives back. Nil: its child is gone.
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
        @wanted[id] = :refused if @wanted.key?(id)
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
        @wanted.transform_values! { :refused }
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
        @news.wait(@lock) until @known[id] || @wanted[id] != :asked || @closed
        @wanted.delete(id)
        @known[id]
      end
    end

    def ask(id)
      @wanted[id] = :asked
      @control.write(Frame::Control::FETCH, id)
    rescue SystemCallError, IOError
      @closed = true
    end
  end
end
