# frozen_string_literal: true

require_relative "input"

module PhusionPassenger
  # A body in a file. The file is closed at the end of the exchange.
  class FileInput < Input
    # The position of `file` is its start.
    def initialize(file, size)
      super()
      @file = file
      @size = size
    end

    attr_reader :size

    def rewind
      @file.rewind
    end

    def release
      @file.close
    end

    private

    def take(length)
      @file.read(length)
    end

    def take_line
      @file.gets
    end
  end
end
