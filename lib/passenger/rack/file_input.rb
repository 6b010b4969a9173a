# frozen_string_literal: true

require_relative "input"

module PhusionPassenger
  # A body that lies in a file, which is closed with the exchange.
  class FileInput < Input
    # `file` is at its start.
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
