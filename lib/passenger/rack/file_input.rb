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

    def eof?
      @file.eof? && check_end.nil?
    end

    private

    def take(length)
      @file.read(length) || check_end
    end

    def take_line(most)
      @file.gets("\n", most) || check_end
    end

    # httpd empties the file when the exchange is over. Returns nil at the end of the body.
    def check_end
      return if @file.pos >= @size

      raise BodyBrokenOff, "the request's body is gone, since its exchange is over"
    end
  end
end
