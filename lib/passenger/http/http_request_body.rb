# frozen_string_literal: true

require_relative "../rack/chunked_decoder"
require_relative "../rack/file_input"
require_relative "../rack/input"
require_relative "../base/log"
require_relative "../base/unlinked_file"

module PhusionPassenger
  # Collects a request's body before the application sees the request: a short body in memory, a
  # longer one in a file.
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

    # Removes the bytes of the body from the front of `bytes`. True: the body is complete.
    def take(bytes)
      raise NotImplementedError
    end

    # The complete body as rack.input.
    def input
      return MemoryInput.new(@kept) unless @file

      @file.rewind
      FileInput.new(@file, @size).tap { @file = nil }
    end

    # The body will not become complete.
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
      if NO_ROOM.include?(e.class)
        raise RefusedRequest.new(507, "there is no room for the request's body")
      end

      raise RefusedRequest.new(503, "the request's body cannot be stored")
    end
  end

  # A body with a Content-Length.
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

  # A body in chunks. It has to follow the standard exactly, unlike an application's body: a proxy
  # in front could read other requests out of it.
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

    # Ends after the trailers. Trailers and the extensions of chunks are dropped.
    class Decoder < ChunkedDecoder
      LINE = /\A[^\r\n\0]*\r\n\z/n.freeze
      EXTENSION = /[ \t;].*/n.freeze
      # The limit is for both together, so that a body does not consist of dropped bytes.
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
        return unless @extras > EXTRAS_LIMIT

        raise BadResponse, "the chunked body has more than #{EXTRAS_LIMIT} bytes of extensions " \
                           "and trailers"
      end
    end
  end

  # A request that the worker refuses. The client gets this status and the message, and its
  # connection ends.
  class RefusedRequest < StandardError
    attr_reader :status

    def initialize(status, message)
      super(message)
      @status = status
    end
  end
end
