# frozen_string_literal: true

require "tempfile"

module PhusionPassenger
  # The monitor's side of WorkerLoads: ext/common/standalone/WorkerLoads.h.
  class LoadsFile
    def initialize(places)
      @places = places
      @pids = 0
      @file = Tempfile.create
      File.unlink(@file.path)
      @file.binmode
      @file.truncate((places * 6) + 1)
    end

    # Gives this worker the next place; it tells this byte.
    def enter(pid, byte)
      @file.pwrite([pid].pack("L"), @places + (4 * @pids))
      @file.pwrite(byte.chr, @pids)
      @pids += 1
    end

    def bytes
      @file.pread(@places, 0).bytes
    end

    # Those of the worker that this process is; another process asks by the same file.
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
