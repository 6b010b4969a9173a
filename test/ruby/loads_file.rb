# frozen_string_literal: true

require "tempfile"

module PhusionPassenger
  # The monitor's part of WorkerLoads: ext/common/standalone/WorkerLoads.h.
  class LoadsFile
    def initialize(places)
      @places = places
      @pids = 0
      @file = Tempfile.create
      File.unlink(@file.path)
      @file.binmode
      @file.truncate((places * 6) + 1)
    end

    # Gives the worker the next place, where it reports this byte.
    def enter(pid, byte)
      @file.pwrite([pid].pack("L"), @places + (4 * @pids))
      @file.pwrite(byte.chr, @pids)
      @pids += 1
    end

    def bytes
      @file.pread(@places, 0).bytes
    end

    # The CPU slots of a worker in this process; another process makes its own from the same file.
    def cpu_slots(processors)
      CpuSlots.new(@file, @places * 5, @places, processors)
    end

    def dup
      @file.dup
    end

    def close
      @file.close
    end

    def closed?
      @file.closed?
    end
  end
end
