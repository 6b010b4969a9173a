# frozen_string_literal: true

require_relative "input"
require_relative "../base/unlinked_file"

module PhusionPassenger
  # A body that is still arriving, and that the application may rewind at any time. The bytes are
  # kept: up to MEMORY_LIMIT in memory, beyond that all in an unlinked file. The file is read only
  # after a rewind.
  class RewindableInput < StreamInput
    MEMORY_LIMIT = 128 * 1024

    def initialize(source)
      super
      @kept = String.new(encoding: Encoding::BINARY)
      @file = nil
      @received = 0
      @next = 0
    end

    def rewind
      @piece = +""
      @offset = 0
      @next = 0
    end

    # Reads all that is left, if the length is not known.
    def size
      @size ||= begin
        nil while keep(receive)
        @received
      end
    end

    # What is in memory can still be read.
    def release
      @file&.close
    end

    private

    def next_piece
      piece = @next < @received ? kept : keep(receive)
      @next += piece.bytesize if piece
      piece
    end

    def kept
      return @kept.byteslice(@next, CHUNK) unless @file

      @file.pread([CHUNK, @received - @next].min, @next)
    end

    def keep(piece)
      return nil unless piece

      spool if @file.nil? && @received + piece.bytesize > MEMORY_LIMIT
      @file ? @file.write(piece) : @kept << piece
      @received += piece.bytesize
      piece
    end

    def spool
      @file = UnlinkedFile.open
      @file.write(@kept)
      @kept.clear
    end
  end
end
