# frozen_string_literal: true

require_relative "cpu_slots"

module PhusionPassenger
  # Tells the workers of one monitor how many requests wait at each worker, by a file in memory that
  # they share (ext/common/standalone/WorkerLoads.h describes its layout). The monitor gives a
  # worker a place when the worker is ready. From then on the worker writes the byte of its place.
  class WorkerLoads
    PID_SIZE = 4
    # The least and the greatest value of a byte.
    SILENT = "\0"
    MOST = 255
    private_constant :PID_SIZE, :SILENT, :MOST

    def initialize(file)
      @file = file
      # The last byte belongs to the CPU slots.
      @places = file.size / (1 + PID_SIZE + 1)
      @place = @told = nil
      @left = false
    end

    # The CpuSlots, which use the end of the file.
    def cpu_slots
      CpuSlots.new(@file, @places * (1 + PID_SIZE), @places)
    end

    # Tells the others the number of requests that wait here.
    def tell(number)
      return if number == @told || @left || !place

      @told = number
      write([number + 1, MOST].min)
    end

    # From now on the others do not count this worker.
    def leave
      write(0) if place
      @left = true
    end

    # The number of workers and the number of requests that wait at all of them, this worker
    # included.
    def look
      bytes = @file.pread(@places, 0)
      workers = bytes.bytesize - bytes.count(SILENT)
      # In the sum of all bytes, each worker counts one too many.
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
