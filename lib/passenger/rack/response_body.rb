# frozen_string_literal: true

require_relative "answer_file"
require_relative "chunked_decoder"
require_relative "../wire/layout"
require_relative "../base/log"
require_relative "stream_body"

module PhusionPassenger
  # Sends the body of a Rack response, of whatever kind. The caller closes the body.
  class ResponseBody
    PIECE = Layout::Reply::PAYLOAD_LIMIT
    PARTIAL_CONTENT = 206
    CONTENT_LENGTH = %w[Content-Length content-length].freeze
    TRANSFER_ENCODING = %w[Transfer-Encoding transfer-encoding].freeze

    # Looks the header up under its names in Rack 2 and Rack 3. Headers without a lookup by name
    # give nil.
    def self.header(headers, names)
      return nil unless headers.respond_to?(:[]) && !headers.is_a?(Array)

      headers[names[0]] || headers[names[1]]
    end

    # A transfer coding other than chunked is refused: nothing here could decode it.
    def self.chunked?(headers)
      coding = header(headers, TRANSFER_ENCODING) or return false
      coding = Array(coding).join(", ")
      unless coding.casecmp?("chunked")
        raise BadResponse, "the body has the transfer coding #{coding.inspect}"
      end

      true
    end

    # As in Phusion Passenger, a body may be a String or nil, and its parts anything with `to_s`.
    def initialize(body, headers, input)
      @body = body.nil? || body.is_a?(String) ? [body] : body
      @headers = headers
      @input = input
    end

    def send_to(reply, status, head)
      if self.class.chunked?(@headers)
        send_chunked(reply, status, head)
      elsif (file = open_file(status))
        send_file(file, reply, status, head)
      elsif (parts = array)
        reply.respond(status, head, join(parts), last: true)
      elsif @body.respond_to?(:each)
        send_pieces(reply, status, head)
      elsif @body.respond_to?(:call)
        send_stream(reply, status, head)
      else
        raise BadResponse, "the body is a #{@body.class}, which has no each, call or to_path"
      end
    end

    private

    # A body that is an array is sent as a whole.
    def array
      return @body if @body.is_a?(Array)

      @body.to_ary if @body.respond_to?(:to_ary)
    end

    def join(parts)
      return parts[0].to_s if parts.size == 1

      parts.each_with_object(String.new(encoding: Encoding::BINARY)) do |part, whole|
        whole << part.to_s.b
      end
    end

    # Sends each piece as the application yields it. Without a Content-Length the head goes first,
    # because the first piece may take long. A body of known length is most often available at once.
    # Its head and first piece are one message, and the piece that reaches the length is the last.
    # The httpd child checks the length.
    def send_pieces(reply, status, head)
      left = self.class.header(@headers, CONTENT_LENGTH)&.to_i
      reply.respond(status, head) unless left
      surplus = false
      @body.each do |part|
        piece = part.to_s
        next if piece.empty?
        next surplus = true if reply.finished?

        left -= piece.bytesize if left
        last = !left.nil? && left <= 0
        if reply.started?
          reply.data(piece, last: last)
        else
          reply.respond(status, head, piece, last: last)
        end
      end
      note_surplus if surplus
      return if reply.finished?

      reply.started? ? reply.finish : reply.respond(status, head, last: true)
    end

    # The httpd child notes surplus bytes within the last piece.
    def note_surplus
      Log.event("response.cut",
                reason: "the body is longer than its Content-Length; the rest was left out")
    end

    # Nil: the body has no file, or has other ways than a file that cannot be opened or of which the
    # answer is a part: Rack::File up to Rack 2.1 and Shrine name the file of a range, too. A
    # Tempfile has its path also after `unlink`.
    def open_file(status)
      return nil unless @body.respond_to?(:to_path)
      return nil if status == PARTIAL_CONTENT && @body.respond_to?(:each)

      file = File.open(@body.to_path, "rb")
      return file if whole?(file) || !@body.respond_to?(:each)

      file.close
    rescue SystemCallError, IOError
      raise unless @body.respond_to?(:each)
    end

    def whole?(file)
      length = self.class.header(@headers, CONTENT_LENGTH)
      length.nil? || length.to_i == file.size
    end

    # Closes the file.
    def send_file(file, reply, status, head)
      left = file.size
      whole = reply.takes_file? && AnswerFile.suits?(file)
      reply.respond(status, head) if whole
      unless whole && reply.file(file, 0, left)
        send_file_in_pieces(file, left, reply, status, head)
      end
      raise BadResponse, "the body's file became shorter while it was sent" unless reply.finished?
    ensure
      file.close
    end

    def send_file_in_pieces(file, left, reply, status, head)
      buffer = String.new(capacity: PIECE, encoding: Encoding::BINARY)
      unless reply.started?
        left -= (file.read([PIECE - head.bytesize, 0].max, buffer) || "").bytesize
        reply.respond(status, head, buffer, last: left <= 0)
      end
      while left.positive? && file.read([PIECE, left].min, buffer)
        left -= buffer.bytesize
        reply.data(buffer, last: left <= 0)
      end
    end

    def send_stream(reply, status, head)
      reply.respond(status, head)
      stream = StreamBody.new(reply, @input)
      @body.call(stream)
      stream.wait_until_closed
    ensure
      stream&.withdraw
    end

    def send_chunked(reply, status, head)
      reply.respond(status, head)
      decoder = ChunkedDecoder.new
      @body.each { |piece| reply.data(decoder.decode(piece.to_s)) }
      raise BadResponse, "the chunked body ends before its last chunk" unless decoder.ended?

      reply.finish
    end
  end
end
