# frozen_string_literal: true

module PhusionPassenger
  # What Rack 3 gives to a body that is called: request bytes in, response bytes out.
  class StreamBody
    def initialize(reply, input)
      @reply = reply
      @input = input
      @closed = false
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

    # An application may keep the stream and close it later only if it does so before its `call` returns.
    def close(_error = nil)
      return if @closed

      @closed = true
      @reply.finish
    end

    def closed?
      @closed
    end
  end
end
