# frozen_string_literal: true

module Bench
  # The result of a load. Latencies are milliseconds by percentile ("50", "99", "max"); more:
  # further figures by name.
  Outcome = Struct.new(:requests, :seconds, :failures, :latency, :load_cpu, :more,
                       keyword_init: true) do
    # Returns the block's value, with the CPU time of the programs that the block has run.
    def self.with_cpu
      before = reaped_cpu
      yield.tap { |outcome| outcome.load_cpu = reaped_cpu - before }
    end

    def self.reaped_cpu
      times = Process.times
      times.cutime + times.cstime
    end

    def self.milliseconds(latency)
      latency.transform_values { |microseconds| microseconds / 1000.0 }
    end

    def rate
      requests / seconds
    end
  end
end
