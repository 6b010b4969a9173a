# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # The stream that Rack 3 passes to a body with `call`: reads bytes of the request, writes bytes of
  # the response. Any thread of the application may call it, also after `call` has returned.
  class StreamBody
    def initialize(reply, input)
      @reply = reply
      @input = input
      @closed = false
      @failure = nil
      # Held while a message is sent, which may take as long as the client does.
      @writing = Mutex.new
      # Guards @closed and @failure. It may be taken inside @writing.
      @lock = Mutex.new
      @news = ConditionVariable.new
    end

    def read(length = nil, buffer = nil)
      @input.read(length, buffer)
    end

    def write(bytes)
      text = bytes.to_s
      @writing.synchronize do
        raise IOError, "closed stream" if @closed

        @reply.data(text)
      end
      text.bytesize
    end

    def <<(bytes)
      write(bytes)
      self
    end

    def flush
      self
    end

    def close_read; end

    def close_write
      close
    end

    # As with a socket, it succeeds if the client has left.
    def close(_error = nil)
      @writing.synchronize { finish unless @closed }
      nil
    end

    # Waits for a `close` by another thread of the application. Raises ClientGone if the client left
    # before the end, whatever the application made of it.
    def wait_until_closed
      @lock.synchronize { @news.wait(@lock) until @closed }
      raise @failure if @failure
    end

    # The handler ends the exchange: no other thread writes any more when this returns.
    def withdraw
      @writing.synchronize { end_with(nil) }
    end

    def closed?
      @closed
    end

    private

    def finish
      @reply.finish
    rescue ClientGone => e
      failure = e
    ensure
      end_with(failure)
    end

    # The first end counts.
    def end_with(failure)
      @lock.synchronize do
        next if @closed

        @closed = true
        @failure = failure
        @news.signal
      end
    end
  end
end
