# frozen_string_literal: true

require_relative '../open_loop'
require_relative '../outcome'
require_relative '../programs'

module Bench
  # As many requests a second for each server (Work#rate), at the same times: what differs is how long their answers take. Each round has others.
  class FixedLoad
    def self.missing(places)
      OpenLoop.missing(places)
    end

    def initialize(work)
      @work = work
    end

    def prepares?
      false
    end

    def run(server, seconds:, round:)
      load = OpenLoop.new(server, rate: rate, seconds: seconds, seed: round + 1, connections: connections, paths: paths)
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

    # The latencies are those of Work#path. What could not be sent, since all connections were busy, has failed.
    def outcome(load, seconds)
      Outcome.new(requests: paths.keys.sum { |path| load.count(path, 200) }, seconds: seconds, failures: load.failures(200) + load.dropped,
                  latency: Outcome.milliseconds(load.latency(@work.path, 200)), more: {})
    end
  end
end
