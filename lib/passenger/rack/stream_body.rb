# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # The stream that Rack 3 passes to a body with `call`: reads bytes of the request, writes bytes of
  # the response.
  class StreamBody
    def initialize(reply, input)
      @reply = reply
      @input = input
      @closed = false
      @failure = nil
      @lock = Mutex.new
      @news = ConditionVariable.new
    end

    def read(length = nil, buffer = nil)
      @input.read(length, buffer)
    end

    def write(bytes)
      raise IOError, "closed stream" if @closed

      text = bytes.to_s
      @reply.data(text)
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

    # Any thread of the application may call it. As with a socket, it succeeds if the client has
    # left.
    def close(_error = nil)
      @lock.synchronize do
        next if @closed

        @closed = true
        @news.signal
        @reply.finish
      rescue ClientGone => e
        @failure = e
      end
    end

    # Another thread of the application may still write after `call` has returned. Raises ClientGone
    # if the client left before the end, whatever the application made of it.
    def wait_until_closed
      @lock.synchronize { @news.wait(@lock) until @closed }
      raise @failure if @failure
    end

    def closed?
      @closed
    end
  end
end
