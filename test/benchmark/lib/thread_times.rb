# frozen_string_literal: true

module Bench
  # CPU time and switches of the threads of a process, by the kernel's scheduler.
  module ThreadTimes
    # Seconds.
    Time = Struct.new(:cpu, :clock)

    def self.now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    # Seconds of CPU time of the threads that live.
    def self.cpu(pid)
      Dir.glob("/proc/#{pid}/task/*/schedstat").sum { |file| File.read(file).to_i } / 1e9
    end

    # The same, once the process rests.
    def self.settled(pid)
      loop do
        before = cpu(pid)
        sleep 0.3
        return before if cpu(pid) - before < 0.0005
      end
    end

    # Voluntary switches of the threads that live, by their ids and names.
    def self.switches(pid)
      Dir.glob("/proc/#{pid}/task/*").to_h do |thread|
        [[File.basename(thread), File.read("#{thread}/comm").strip],
         File.read("#{thread}/status")[/^voluntary_ctxt_switches:\s+(\d+)/, 1].to_i]
      end
    end
  end
end
