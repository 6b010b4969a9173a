# frozen_string_literal: true

require_relative "response_head"

module PhusionPassenger
  # Takes the chunked coding off a body whose application put it on (Rails does for `render stream: true`): messages have
  # lengths of their own, and the coding to the client is the child's.
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

    # The last chunk was seen.
    def ended?
      @ended
    end

    # How many bytes of the last ones belonged to the body's coding; those behind its end do not.
    attr_reader :consumed

    # What the bytes bring of the body.
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
      raise BadResponse, "its chunked body has a line without end" if @line.bytesize > LINE_LIMIT
      return unless @line.end_with?("\n")

      @after_chunk ? end_chunk : begin_chunk
      @line.clear
    end

    def end_chunk
      raise BadResponse, "its chunked body has a chunk without end" unless @line.match?(/\A\r?\n\z/)

      @after_chunk = false
    end

    # After the chunk of length 0 only trailers follow, which nobody can use.
    def begin_chunk
      size = @line[SIZE, 1] or raise BadResponse, "its chunked body has a chunk without a length"
      @left = size.to_i(16)
      @ended = @left.zero?
    end
  end
end
