# frozen_string_literal: true

require_relative '../open_loop'
require_relative '../outcome'
require_relative '../programs'
require_relative 'load'

module Bench
  # A fixed rate of requests (Work#rate), at the same times for each server: servers differ in the
  # time of their answers only. Each round has other times.
  class FixedLoad < Load
    def self.missing(places)
      OpenLoop.missing(places)
    end

    def run(server, seconds:, round:)
      load = OpenLoop.new(server, rate: rate, seconds: seconds, seed: round + 1,
                          connections: connections, paths: paths)
      Outcome.with_cpu do
        load.parse(*Programs.run(load.command))
        outcome(load, seconds)
      end
    end

    private

    def rate
      @work.rate
    end

    def connections
      @work.clients
    end

    # Weights by path.
    def paths
      { @work.path => 1 }
    end

    # The latencies are those of Work#path. Requests that could not be sent because all connections
    # were busy count as failures.
    def outcome(load, seconds)
      Outcome.new(requests: paths.keys.sum { |path| load.count(path, 200) }, seconds: seconds,
                  failures: load.failures(200) + load.dropped,
                  latency: Outcome.milliseconds(load.latency(@work.path, 200)), more: {})
    end
  end
end
