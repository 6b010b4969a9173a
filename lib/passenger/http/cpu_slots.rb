# frozen_string_literal: true

require "etc"
require "fcntl"

module PhusionPassenger
  # Limits how many workers work at the same time, since each change between workers costs the
  # contents of the processor's caches. The number of CPU slots is that of workers that can be kept
  # busy: the number of processors, divided by the square of the share of requests' time that is
  # computing. The square, since requests do not wait in turn. A worker without a CPU slot leaves
  # ready connections to the others. Not thread-safe.
  #
  # A CPU slot is a process's lock in the file of WorkerLoads, so it ends with the process. It has a
  # byte there that its owner changes each time it asks whether it may continue. A CPU slot whose
  # byte does not change for a while does not count: its owner waits, computes for long, or hangs.
  # The last byte is the number of CPU slots, as measured by the last worker that measured it. A
  # worker without a CPU slot serves no requests that it could measure.
  class CpuSlots
    # In seconds: the time without a change after which a CPU slot does not count. A worker keeps a
    # CPU slot beyond the number for this time.
    PATIENCE = 0.01
    # In seconds: the least time between two measured requests; and the weight of earlier requests
    # when one more is measured.
    INTERVAL = 0.01
    FADING = 0.95
    # The greatest number of CPU slots that a byte can hold.
    MOST = 255
    # struct flock of fcntl(2) on machines with a long of 64 bits.
    LOCK = "ssx4qqix4"
    private_constant :INTERVAL, :FADING, :MOST, :LOCK

    # The number of CPU slots.
    attr_reader :wanted

    # For at most `count` workers. Uses `count` + 1 bytes of the file from `offset` on. Made on the
    # thread that serves requests.
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
      # Sums over the measured requests; earlier requests count less and less.
      @computing = @needed = 0.0
      # Without measurements, requests count as waiting.
      @wanted = count
    end

    # Whether this worker may work. `workers`: the number of workers.
    def take(now, workers)
      return true if workers <= @wanted
      return keep(now) if @slot && (@slot < @wanted || now < @kept_until)

      leave
      now != @failed_at && find(now)
    end

    def taken?
      !@slot.nil?
    end

    # Gives the CPU slot back: nothing is ready.
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
      # The time that the request would take without a wait for a processor.
      @needed = (@needed * FADING) + passed - waited
      @wanted = (@processors * ((@needed / @computing)**2)).clamp(1, [@count, MOST].min).round
      @file.pwrite(@wanted.chr, @offset + @count)
    end

    def close
      @schedstat&.close
    end

    private

    # One change of the byte for each time is enough.
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

    # Notes which bytes have changed since the last look.
    def look(now)
      *bytes, told = @file.pread(@count + 1, @offset).bytes
      @wanted = told if told.positive?
      bytes.each_with_index { |byte, slot| @changed[slot] = now if byte != @bytes[slot] }
      @bytes = bytes
    end

    # No second search at the same time.
    def fail(now)
      @failed_at = now
      false
    end

    def sit_down(slot, now)
      @slot = slot
      @kept_until = now + PATIENCE
      keep(now)
    end

    # False: another process has the lock.
    def lock(type, slot)
      @file.fcntl(Fcntl::F_SETLK, [type, IO::SEEK_SET, @offset + slot, 1, 0].pack(LOCK))
      true
    rescue SystemCallError
      false
    end

    # Nil: the kernel does not provide it, so there are no CPU slots.
    def open_schedstat
      File.open("/proc/thread-self/schedstat")
    rescue SystemCallError
      nil
    end

    # Times in seconds: the clock, computing, and waiting for a processor. See the kernel's
    # Documentation/scheduler/sched-stats.rst.
    def times
      waited = @schedstat.pread(64, 0).split[1].to_i
      [Process.clock_gettime(Process::CLOCK_MONOTONIC),
       Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID),
       waited / 1e9]
    end
  end
end
