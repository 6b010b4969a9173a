# frozen_string_literal: true

require 'json'

module Bench
  # A closed-loop load by wrk: each client sends its next request when it has the answer to the last one.
  class Load
    REPORT = File.expand_path('wrk_report.lua', __dir__)

    Outcome = Struct.new(:requests, :seconds, :failures, :latency, :load_cpu, keyword_init: true) do
      def rate
        requests / seconds
      end
    end

    # Returns an Outcome. Latencies are milliseconds by percentile ("50", "99", "max").
    def self.run(url, clients:, seconds:)
      before = reaped_cpu
      report = parse(run_wrk('wrk', '-t1', "-c#{clients}", "-d#{seconds}", '--timeout', '10', '-s', REPORT, url))
      Outcome.new(requests: report['requests'], seconds: report['duration'] / 1e6,
                  failures: report.values_at('status', 'socket', 'timeout').sum,
                  latency: report['latency'].transform_values { |microseconds| microseconds / 1000.0 },
                  load_cpu: reaped_cpu - before)
    end

    def self.run_wrk(*command)
      reader, writer = IO.pipe
      pid = Process.spawn(*command, out: writer, err: writer, in: File::NULL)
      writer.close
      output = reader.read
      Process.wait(pid)
      pid = nil
      output
    ensure
      reader&.close
      end_wrk(pid) if pid
    end

    def self.end_wrk(pid)
      Process.kill('KILL', pid)
      Process.wait(pid)
    rescue Errno::ESRCH, Errno::ECHILD
      nil
    end

    def self.parse(output)
      line = output[/^BENCH (.*)$/, 1] or raise Failure, "wrk gave no report:\n#{output}"
      JSON.parse(line)
    end

    def self.reaped_cpu
      times = Process.times
      times.cutime + times.cstime
    end

    private_class_method :run_wrk, :end_wrk, :parse, :reaped_cpu
  end
end
