# frozen_string_literal: true

require_relative "response_head"

module PhusionPassenger
  # Decodes a body that the application has sent in chunked coding (Rails does for `render stream:
  # true`). A reply's messages have lengths of their own, and httpd codes the body for the client.
  class ChunkedDecoder
    SIZE = /\A(\h{1,15})[ \t]*(?:;.*)?\r?\n\z/m.freeze
    LINE_LIMIT = 4096

    def initialize
      @line = String.new(encoding: Encoding::BINARY)
      @left = 0
      @after_chunk = false
      @ended = false
      @consumed = 0
    end

    # True after the last chunk.
    def ended?
      @ended
    end

    # The number of bytes of the last decode() that belong to the coding. Bytes after the body's end
    # do not.
    attr_reader :consumed

    # Returns the bytes of the body that `bytes` contain.
    def decode(bytes)
      bytes = bytes.b
      result = String.new(encoding: Encoding::BINARY)
      position = 0
      while position < bytes.bytesize && !@ended
        part = @left.positive? ? bytes.byteslice(position, @left) : line_from(bytes, position)
        position += part.bytesize
        @left.positive? ? take_data(part, result) : take_line(part)
      end
      @consumed = position
      result
    end

    private

    def line_from(bytes, position)
      newline = bytes.index("\n", position) || bytes.bytesize
      bytes.byteslice(position, newline + 1 - position)
    end

    def take_data(part, result)
      result << part
      @left -= part.bytesize
      @after_chunk = @left.zero?
    end

    def take_line(part)
      @line << part
      raise BadResponse, "the chunked body has a line without end" if @line.bytesize > LINE_LIMIT
      return unless @line.end_with?("\n")

      @after_chunk ? end_chunk : begin_chunk
      @line.clear
    end

    def end_chunk
      raise BadResponse, "the chunked body has a chunk without end" unless @line.match?(/\A\r?\n\z/)

      @after_chunk = false
    end

    # Trailers follow the chunk of length 0. They are dropped: a reply has no place for them.
    def begin_chunk
      size = @line[SIZE, 1] or raise BadResponse, "the chunked body has a chunk without a length"
      @left = size.to_i(16)
      @ended = @left.zero?
    end
  end
end
