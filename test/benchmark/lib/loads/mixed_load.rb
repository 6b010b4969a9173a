# frozen_string_literal: true

require_relative '../open_loop'
require_relative '../outcome'
require_relative '../programs'

module Bench
  # Many short requests and a few long ones (apps/mixed), at 70 % of what the instances could serve. What counts is how
  # long the short ones take that come while instances are at long ones. All servers get the same requests at the same
  # times; each round has others.
  class MixedLoad
    PATHS = { '/short' => 0.95, '/long' => 0.05 }.freeze
    SERVICE_SECONDS = 0.95 * 0.002 + 0.05 * 0.3
    UTILISATION = 0.7
    CONNECTIONS = 100 # no more than may wait: none is refused
    LENGTH = 2        # times a round of other work: these requests are few

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
      seconds *= LENGTH
      load = OpenLoop.new(server, rate: rate, seconds: seconds, seed: round + 1, connections: CONNECTIONS, paths: PATHS)
      Outcome.with_cpu do
        load.parse(*Programs.run(load.command))
        outcome(load, seconds)
      end
    end

    private

    def rate
      UTILISATION * @work.arrangement.instances / SERVICE_SECONDS
    end

    def outcome(load, seconds)
      Outcome.new(requests: PATHS.keys.sum { |path| load.count(path, 200) }, seconds: seconds,
                  failures: load.failures(200) + load.dropped,
                  latency: Outcome.milliseconds(load.latency('/short', 200)), more: {})
    end
  end
end
