# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # The stream that Rack 3 passes to a body with `call`: reads bytes of the request, writes bytes of
  # the response. Any thread of the application may call it, also after `call` has returned.
  class StreamBody
    # Seconds between two looks whether the client is there, while the handler waits for the end.
    LOOK = 1
    private_constant :LOOK

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
        raise @failure if @failure
        raise IOError, "closed stream" if @closed

        @reply.data(text)
      end
      text.bytesize
    rescue ClientGone => e
      end_with(e)
      raise
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
      @lock.synchronize do
        until @closed
          @news.wait(@lock, LOOK)
          @reply.check_client unless @closed
        end
      end
      raise @failure if @failure
    rescue ClientGone => e
      end_with(e)
      raise
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
