# frozen_string_literal: true

require_relative "layout"
require_relative "stream_body"

module PhusionPassenger
  # Sends the body of a Rack response, whatever kind it is. Closing it is the caller's.
  class ResponseBody
    PIECE = Layout::Reply::PAYLOAD_LIMIT
    CONTENT_LENGTH = %w[Content-Length content-length].freeze

    def initialize(body, headers, input)
      @body = body
      @headers = headers
      @input = input
    end

    def send(status, head, reply)
      if @body.respond_to?(:to_path)
        send_file(status, head, reply)
      elsif (parts = array)
        reply.respond(status, head, join(parts), last: true)
      elsif @body.respond_to?(:each)
        send_pieces(status, head, reply)
      elsif @body.respond_to?(:call)
        send_stream(status, head, reply)
      else
        raise BadResponse, "its body is a #{@body.class}, which has no each, call or to_path"
      end
    end

    private

    # What is here as a whole goes out as a whole.
    def array
      return @body if @body.is_a?(Array)

      @body.to_ary if @body.respond_to?(:to_ary)
    end

    def join(parts)
      return parts[0].to_str if parts.size == 1

      parts.each_with_object(String.new(encoding: Encoding::BINARY)) { |part, whole| whole << part.b }
    end

    # Each piece goes out as it comes. With a known length, the piece that fills it is marked as the last.
    def send_pieces(status, head, reply)
      left = content_length
      @body.each do |piece|
        next if piece.empty? || reply.finished?

        left -= piece.bytesize if left
        last = !left.nil? && left <= 0
        raise BadResponse, "its body is longer than its Content-Length" if left&.negative?

        reply.started? ? reply.data(piece, last: last) : reply.respond(status, head, piece, last: last)
      end
      return if reply.finished?

      reply.started? ? reply.finish : reply.respond(status, head, last: true)
    end

    def send_file(status, head, reply)
      File.open(@body.to_path, "rb") do |file|
        buffer = String.new(capacity: PIECE, encoding: Encoding::BINARY)
        left = file.size
        first = file.read([PIECE - head.bytesize, 0].max, buffer) || ""
        left -= first.bytesize
        reply.respond(status, head, first, last: left <= 0)
        while left.positive? && file.read([PIECE, left].min, buffer)
          left -= buffer.bytesize
          reply.data(buffer, last: left <= 0)
        end
      end
      raise BadResponse, "its file became shorter while it was sent" unless reply.finished?
    end

    def send_stream(status, head, reply)
      reply.respond(status, head)
      stream = StreamBody.new(reply, @input)
      @body.call(stream)
      stream.close
    end

    def content_length
      CONTENT_LENGTH.each do |name|
        value = @headers[name]
        return value.to_i if value
      end
      nil
    end
  end
end
