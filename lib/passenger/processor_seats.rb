# frozen_string_literal: true

require "etc"
require "fcntl"

module PhusionPassenger
  # Keeps workers from working all at once where they are more than their processors: each change from one to the other costs what the caches held.
  # There are as many seats as workers that can be kept busy: the number of processors, divided by the share of a request's time that
  # is spent computing. Who has none leaves what is ready to those who have one. Of one thread.
  #
  # A seat is a lock of the process's in the file of WorkerLoads, so that it ends with it, however that ends; and a byte there,
  # which its owner changes with each request. A seat at which nothing changes for a while does not count: its owner waits for something, or hangs.
  class ProcessorSeats
    # For so long, in seconds, nothing may change at a seat; and so long is one of those that were taken instead kept.
    PATIENCE = 0.01
    # One request of so many is measured; how much of the share the last one is.
    SAMPLE = 64
    LATEST = 0.25
    # See lock and struct flock in fcntl(2), where a long has 64 bits.
    LOCK = "ssx4qqix4"
    SCHEDSTAT = "/proc/thread-self/schedstat"
    private_constant :SAMPLE, :LATEST, :LOCK, :SCHEDSTAT

    # How many there are.
    attr_reader :wanted

    # `count` bytes of the file from `offset` on are the seats'.
    def initialize(file, offset, count, processors = Etc.nprocessors)
      @file = file
      @offset = offset
      @count = count
      @processors = processors
      @seat = nil
      @seen = Array.new(count)
      @requests = @turn = 0
      @computing = 0.0
      @measurable = [0].pack("l!").bytesize == 8 && File.readable?(SCHEDSTAT)
      # As long as nothing is known it is as if requests only waited.
      @wanted = count
    end

    # True: this worker may work. `workers`: how many there are.
    def take(now, workers)
      return true if workers <= @wanted
      return keep(now) if @seat && (@seat < @wanted || now < @kept_until)

      leave
      now != @failed_at && find(now)
    end

    def taken?
      !@seat.nil?
    end

    # Nothing is ready.
    def leave
      return unless @seat

      lock(Fcntl::F_UNLCK, @seat)
      @seat = nil
    end

    # In each request's beginning.
    def begin_request
      @requests += 1
      @before = times if @measurable && (@requests % SAMPLE).zero?
    end

    # And at its end.
    def end_request
      return unless @before

      spent = times.zip(@before).map { |after, before| after - before }
      @before = nil
      passed, computed, waited = spent
      # Where it waited for a processor, it would have computed.
      share = [(computed + waited) / passed, 1.0].min
      @computing += (share - @computing) * LATEST
      @wanted = [(@processors / @computing).round, @count].min
    end

    private

    # Once in each pass.
    def keep(now)
      return true if now == @kept_at

      @kept_at = now
      @turn = (@turn + 1) & 0xFF
      @file.pwrite(@turn.chr, @offset + @seat)
      true
    end

    def find(now)
      limit = @wanted
      @count.times do |seat|
        return fail(now) if seat >= limit
        return sit_down(seat, now) if lock(Fcntl::F_WRLCK, seat)

        limit += 1 if still?(seat, now)
      end
      true
    end

    # Not again in the same pass.
    def fail(now)
      @failed_at = now
      false
    end

    def sit_down(seat, now)
      @seat = seat
      @kept_until = now + PATIENCE
      keep(now)
    end

    def still?(seat, now)
      byte = @file.pread(1, @offset + seat)
      seen, since = @seen[seat]
      return now - since >= PATIENCE if seen == byte

      @seen[seat] = [byte, now]
      false
    end

    # False: it is another process's.
    def lock(type, seat)
      @file.fcntl(Fcntl::F_SETLK, [type, IO::SEEK_SET, @offset + seat, 1, 0].pack(LOCK))
      true
    rescue Errno::EAGAIN, Errno::EACCES
      false
    end

    # By the clock, of computing, and of waiting for a processor, in seconds: see schedstat in the kernel's Documentation/scheduler/sched-stats.rst.
    def times
      @schedstat ||= File.open(SCHEDSTAT)
      waited = @schedstat.pread(64, 0).split[1].to_i
      [Process.clock_gettime(Process::CLOCK_MONOTONIC), Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID), waited / 1e9]
    end
  end
end
