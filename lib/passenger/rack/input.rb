# frozen_string_literal: true

require_relative "../wire/channel"

module PhusionPassenger
  # Implements rack.input over any source of bytes, and what applications use of an IO beside it:
  # CSV.new(request.body). Subclasses define `eof?`, `take(length)` and `take_line(most)`. The
  # latter two return a string that the caller owns, with at most that many bytes, for a line up to
  # its end; nil at the end.
  class Input
    CHUNK = 65_536
    CONTINUE = 100

    def read(length = nil, buffer = nil)
      result = length ? read_at_most(length) : read_all
      return result unless buffer

      buffer.clear
      return nil unless result

      move(result, buffer)
    end

    # As IO#gets, but without paragraphs (an empty separator).
    def gets(separator = "\n", limit = nil, chomp: false)
      separator, limit = "\n", separator if separator.is_a?(Integer)
      raise ArgumentError, "the separator of lines is empty" if separator == ""
      return +"" if limit == 0

      limit = nil if limit&.negative?
      line = separator ? line_up_to(separator.b, limit) : read(limit)
      return nil if line.nil? || line.empty?

      chomp && separator ? line.chomp(separator) : line
    end

    def readline(*arguments, **options)
      gets(*arguments, **options) || raise(EOFError, "end of file reached")
    end

    def each(*arguments, **options)
      return to_enum(:each, *arguments, **options) unless block_given?

      while (line = gets(*arguments, **options))
        yield line
      end
      self
    end
    alias each_line each

    # Does nothing: the server closes the input.
    def close; end

    # For a client that sends the body only after an interim answer (Expect). `reply` sends that
    # answer before the first read.
    def ask_by(reply); end

    # Reading fails if the body ends before this number of bytes.
    def expect(length); end

    # Frees the input's resources after the exchange.
    def release; end

    def binmode
      self
    end

    def external_encoding
      Encoding::BINARY
    end

    private

    def line_up_to(separator, limit)
      by_lines = separator.end_with?("\n")
      line = nil
      while (piece = by_lines ? take_line(limit && limit - (line ? line.bytesize : 0)) : take(1))
        line = line ? line << piece : piece
        break if line.end_with?(separator) || line.bytesize == limit
      end
      line
    end

    def read_all
      result = String.new(encoding: Encoding::BINARY)
      while (piece = take(CHUNK))
        move(piece, result)
      end
      result
    end

    def read_at_most(length)
      raise ArgumentError, "negative length #{length} given" if length.negative?
      return String.new(encoding: Encoding::BINARY) if length.zero?

      result = take(length)
      return result if result.nil? || result.bytesize == length

      while result.bytesize < length && (piece = take(length - result.bytesize))
        move(piece, result)
      end
      result
    end

    # Appends the piece and frees its memory at once: a large body makes much garbage in a short
    # time.
    def move(piece, target)
      target << piece
      piece.clear
      target
    end
  end

  # A body that arrived whole with the request.
  class MemoryInput < Input
    def initialize(bytes)
      super()
      @bytes = bytes
      @position = 0
    end

    def rewind
      @position = 0
    end

    def size
      @bytes.bytesize
    end

    def eof?
      @position >= @bytes.bytesize
    end

    private

    def take(length)
      return nil if eof?

      piece = @bytes.byteslice(@position, length)
      @position += piece.bytesize
      piece
    end

    def take_line(most)
      return nil if eof?

      newline = @bytes.index("\n", @position)
      take([newline ? newline + 1 - @position : @bytes.bytesize, most].compact.min)
    end
  end

  # A body that is still arriving, and that httpd does not keep either. Bytes that were read are not
  # kept. The source's `next_piece` returns a piece, or nil at the end.
  class StreamInput < Input
    # Nil: it is not known.
    attr_reader :size

    def initialize(source)
      super()
      @size = nil
      @source = source
      @piece = +""
      @offset = 0
      @missing = 0
      @asker = nil
    end

    def expect(length)
      @size = @missing = length
    end

    def ask_by(reply)
      @asker = reply
    end

    # Waits for the next bytes.
    def eof?
      !more?
    end

    private

    def take(length)
      return nil unless more?

      return hand_over if @offset.zero? && length >= @piece.bytesize

      # Not `byteslice`: a slice shares its memory with the piece, and `clear` could not free it.
      bytes = @piece.unpack1("@#{@offset}a#{length}")
      @offset += bytes.bytesize
      hand_over.clear if @offset == @piece.bytesize
      bytes
    end

    def take_line(most)
      return nil unless more?

      newline = @piece.index("\n", @offset)
      take([newline ? newline + 1 - @offset : @piece.bytesize, most].compact.min)
    end

    def hand_over
      piece = @piece
      @piece = +""
      @offset = 0
      piece
    end

    def more?
      while @offset >= @piece.bytesize
        piece = next_piece
        return false unless piece

        @piece = piece
        @offset = 0
      end
      true
    end

    def next_piece
      receive
    end

    # Raises BodyBrokenOff at a premature end, so that a partial body does not look whole.
    def receive
      ask if @asker
      piece = @source.next_piece
      if piece
        @missing -= piece.bytesize
      elsif @missing.positive?
        raise BodyBrokenOff, "the request's body ended #{@missing} bytes early"
      end
      piece
    end

    def ask
      @asker.interim(CONTINUE, "")
      @asker = nil
    end
  end
end
