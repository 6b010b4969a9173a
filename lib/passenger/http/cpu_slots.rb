# frozen_string_literal: true

require "etc"
require "fcntl"

module PhusionPassenger
  # Keeps workers from working all at once where they are more than their processors: each change from one to the other costs what the caches held.
  # There are as many CPU slots as workers that can be kept busy: the number of processors, divided by the share of requests' time that
  # is spent computing; and by that once more, since requests do not wait in turn. Who has none leaves what is ready to those who have one. Of one
  # thread.
  #
  # A CPU slot is a lock of the process's in the file of WorkerLoads, so that it ends with it, however that ends; and a byte there,
  # which its owner changes whenever it asks whether it may go on. A CPU slot at which nothing changes for a while does not count: its owner waits for
  # something, computes for long, or hangs. The last byte is how many CPU slots there are, as the last worker that measured it found: who
  # has none serves nothing that it could measure.
  class CpuSlots
    # For so long, in seconds, nothing may change at a CPU slot; and so long is one of those that were taken instead kept.
    PATIENCE = 0.01
    # Between two requests that are measured, at least; and what is left of those before when one more was.
    INTERVAL = 0.01
    FADING = 0.95
    # How many CPU slots a byte can tell of.
    MOST = 255
    # struct flock of fcntl(2), where a long has 64 bits.
    LOCK = "ssx4qqix4"
    private_constant :INTERVAL, :FADING, :MOST, :LOCK

    # How many there are.
    attr_reader :wanted

    # For `count` workers at most; one byte more of the file from `offset` on is theirs. The thread that makes it is the one that works.
    def initialize(file, offset, count, processors = Etc.nprocessors)
      @file = file
      @offset = offset
      @count = count
      @processors = processors
      @slot = nil
      @bytes = []
      @changed = []
      @turn = 0
      @next_sample = 0
      @schedstat = open_schedstat if [0].pack("l!").bytesize == 8
      # Of the requests that were measured, the last ones above all.
      @computing = @needed = 0.0
      # As long as nothing is known it is as if requests only waited.
      @wanted = count
    end

    # True: this worker may work. `workers`: how many there are.
    def take(now, workers)
      return true if workers <= @wanted
      return keep(now) if @slot && (@slot < @wanted || now < @kept_until)

      leave
      now != @failed_at && find(now)
    end

    def taken?
      !@slot.nil?
    end

    # Nothing is ready.
    def leave
      return unless @slot

      lock(Fcntl::F_UNLCK, @slot)
      @slot = nil
    end

    # When a request begins.
    def begin_request(now)
      @before = nil
      return if now < @next_sample || !@schedstat

      @next_sample = now + INTERVAL
      @before = times
    end

    # And at its end.
    def end_request
      return unless @before

      passed, computed, waited = times.zip(@before).map { |after, before| after - before }
      @before = nil
      @computing = (@computing * FADING) + computed
      # With a processor at once it would have taken that long.
      @needed = (@needed * FADING) + passed - waited
      @wanted = (@processors * ((@needed / @computing)**2)).clamp(1, [@count, MOST].min).round
      @file.pwrite(@wanted.chr, @offset + @count)
    end

    def close
      @schedstat&.close
    end

    private

    # The byte need not change more often than the time.
    def keep(now)
      return true if now == @kept_at

      @kept_at = now
      @turn = (@turn + 1) & 0xFF
      @file.pwrite(@turn.chr, @offset + @slot)
      true
    end

    def find(now)
      look(now)
      limit = @wanted
      @count.times do |slot|
        return fail(now) if slot >= limit
        return sit_down(slot, now) if lock(Fcntl::F_WRLCK, slot)

        limit += 1 if now - @changed[slot] >= PATIENCE
      end
      true
    end

    # At all of them, whose bytes may have changed since the last look.
    def look(now)
      *bytes, told = @file.pread(@count + 1, @offset).bytes
      @wanted = told if told.positive?
      bytes.each_with_index { |byte, slot| @changed[slot] = now if byte != @bytes[slot] }
      @bytes = bytes
    end

    # Not again at the same time.
    def fail(now)
      @failed_at = now
      false
    end

    def sit_down(slot, now)
      @slot = slot
      @kept_until = now + PATIENCE
      keep(now)
    end

    # False: it is another process's.
    def lock(type, slot)
      @file.fcntl(Fcntl::F_SETLK, [type, IO::SEEK_SET, @offset + slot, 1, 0].pack(LOCK))
      true
    rescue SystemCallError
      false
    end

    # Nil: the kernel does not tell it, so there are no CPU slots.
    def open_schedstat
      File.open("/proc/thread-self/schedstat")
    rescue SystemCallError
      nil
    end

    # By the clock, of computing, and of waiting for a processor, in seconds: see the kernel's Documentation/scheduler/sched-stats.rst.
    def times
      waited = @schedstat.pread(64, 0).split[1].to_i
      [Process.clock_gettime(Process::CLOCK_MONOTONIC), Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID), waited / 1e9]
    end
  end
end
