# frozen_string_literal: true

require_relative "../rack/chunked_decoder"
require_relative "../rack/file_input"
require_relative "../rack/input"
require_relative "../base/log"
require_relative "../base/unlinked_file"

module PhusionPassenger
  # Collects a request's body before the application sees the request: a little in memory, all of it in a file once it is more.
  class HttpRequestBody
    MEMORY_LIMIT = 112 * 1024
    NO_ROOM = [Errno::ENOSPC, Errno::EDQUOT, Errno::EFBIG].freeze
    private_constant :NO_ROOM

    attr_reader :size

    def initialize
      @kept = String.new(encoding: Encoding::BINARY)
      @file = nil
      @size = 0
    end

    # Takes what belongs to the body off the front of the bytes. True: it is whole.
    def take(bytes)
      raise NotImplementedError
    end

    # For rack.input, once it is whole.
    def input
      return MemoryInput.new(@kept) unless @file

      @file.rewind
      FileInput.new(@file, @size).tap { @file = nil }
    end

    # It will not become whole.
    def release
      @file&.close
      @file = nil
    end

    private

    def keep(bytes)
      @size += bytes.bytesize
      if @file.nil? && @size > MEMORY_LIMIT
        @file = UnlinkedFile.open
        @file.write(@kept)
        @kept.clear
      end
      @file ? @file.write(bytes) : @kept << bytes
    rescue SystemCallError => e
      Log.complaint("body.failed", reason: e.message)
      raise RefusedRequest.new(507, "there is no room for the request's body") if NO_ROOM.include?(e.class)

      raise RefusedRequest.new(503, "the request's body cannot be kept")
    end
  end

  # A body whose length the head tells.
  class MeasuredBody < HttpRequestBody
    def initialize(length)
      super()
      @left = length
    end

    def take(bytes)
      part = bytes.slice!(0, @left)
      @left -= part.bytesize
      keep(part)
      @left.zero?
    end
  end

  # A body in chunks. Unlike an application's, a client's are held to the letter: what stands before us may read them in another way.
  class ChunkedBody < HttpRequestBody
    def initialize
      super
      @decoder = Decoder.new
    end

    def take(bytes)
      keep(@decoder.decode(bytes))
      bytes.slice!(0, @decoder.consumed)
      @decoder.ended?
    rescue BadResponse => e
      raise RefusedRequest.new(400, e.message)
    end

    # Ends behind the trailers, which nobody gets, nor the extensions of chunks.
    class Decoder < ChunkedDecoder
      LINE = /\A[^\r\n\0]*\r\n\z/n.freeze
      EXTENSION = /[ \t;].*/n.freeze
      # Of both together, so that a body is not mostly what nobody gets.
      EXTRAS_LIMIT = 16_384
      private_constant :LINE, :EXTENSION, :EXTRAS_LIMIT

      def initialize
        super
        @extras = 0
        @in_trailers = false
      end

      private

      def take_line(part)
        if part.end_with?("\n") && !LINE.match?(@line + part)
          raise BadResponse, "the chunked body has a line that does not end with CR LF"
        end

        super
      end

      def begin_chunk
        return take_trailer if @in_trailers

        begin
          super
        rescue BadResponse
          raise BadResponse, "the chunked body has a chunk without a length"
        end
        count(@line[EXTENSION])
        @in_trailers = @ended
        @ended = false
      end

      def take_trailer
        count(@line)
        @ended = @line == "\r\n"
      end

      def count(extra)
        @extras += extra.bytesize if extra
        raise BadResponse, "the chunked body has more than #{EXTRAS_LIMIT} bytes of extensions and trailers" if @extras > EXTRAS_LIMIT
      end
    end
  end

  # What the client wants cannot be done; it is told so, with this status and the message, and its connection ends.
  class RefusedRequest < StandardError
    attr_reader :status

    def initialize(status, message)
      super(message)
      @status = status
    end
  end
end
