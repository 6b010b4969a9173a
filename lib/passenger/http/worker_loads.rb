# frozen_string_literal: true

require_relative "cpu_slots"

module PhusionPassenger
  # What the workers of one monitor know of each other: how many requests wait at each. It is in a file in memory that they share
  # (ext/common/standalone/WorkerLoads.h says what is where). The monitor gives each a place when it is ready, where nothing waits yet; from then
  # on the worker writes the byte of its place.
  class WorkerLoads
    PID_SIZE = 4
    # What a byte can say: nothing, and the most.
    SILENT = "\0"
    MOST = 255
    private_constant :PID_SIZE, :SILENT, :MOST

    def initialize(file)
      @file = file
      # One byte is left, the CPU slots' last one.
      @places = file.size / (1 + PID_SIZE + 1)
      @place = @told = nil
      @left = false
    end

    # What the end of the file is for.
    def cpu_slots
      CpuSlots.new(@file, @places * (1 + PID_SIZE), @places)
    end

    # From now on the others see that so many wait here.
    def tell(number)
      return if number == @told || @left || !place

      @told = number
      write([number + 1, MOST].min)
    end

    # They never see anything of it again.
    def leave
      write(0) if place
      @left = true
    end

    # How many workers tell something, and how many requests wait at all of them. This one counts, too.
    def look
      bytes = @file.pread(@places, 0)
      workers = bytes.bytesize - bytes.count(SILENT)
      # A sum of all bytes, in which each worker has one too many.
      [workers, bytes.sum(32) - workers]
    end

    def close
      @file.close
    end

    private

    def place
      @place ||= @file.pread(@places * PID_SIZE, @places).unpack("L*").index(Process.pid)
    end

    def write(byte)
      @file.pwrite(byte.chr, @place)
    end
  end
end
