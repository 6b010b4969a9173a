# frozen_string_literal: true

require_relative "input"
require_relative "../base/unlinked_file"

module PhusionPassenger
  # A body that is still coming, for Rack 2, which wants it from the start again at any time. What came is kept: a
  # little in memory, all of it in an unlinked file once it is more. Reading straight on never reads the file.
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

    def release
      @file&.close
      @file = nil
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
