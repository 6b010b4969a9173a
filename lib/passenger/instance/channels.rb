# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # The reply channels this instance has met. Handler threads look them up; the control thread brings those that
  # were asked for. A look-up of a known channel takes no lock.
  class Channels
    def initialize(control)
      @control = control
      @known = {}
      @wanted = {}
      @lock = Mutex.new
      @news = ConditionVariable.new
      @closed = false
    end

    # The channel, which the caller gives back. Nil when its child is gone.
    def borrow(id)
      (@known[id] || fetch(id))&.borrow
    end

    # From the control thread: what was asked for is here.
    def add(id, socket)
      @lock.synchronize do
        @known[id]&.retire
        @known[id] = Channel.new(id, socket)
        @wanted.delete(id)
        @news.broadcast
      end
    end

    # From the control thread: there is no such channel.
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

    # Nobody will bring channels any more.
    def stop
      @lock.synchronize do
        @closed = true
        @news.broadcast
      end
    end

    # In the application's own forks.
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
