# frozen_string_literal: true

require_relative 'fixed_load'

module Bench
  # Many short requests and a few long ones (apps/mixed), at 70 % of the instances' capacity. The
  # figure is the time of the short ones that arrive while instances work at long ones. All servers
  # get the same requests at the same times; each round has others.
  class MixedLoad < FixedLoad
    PATHS = { '/short' => 0.95, '/long' => 0.05 }.freeze
    SERVICE_SECONDS = 0.95 * 0.002 + 0.05 * 0.3
    UTILISATION = 0.7
    CONNECTIONS = 100 # no more than may wait: none is refused
    LENGTH = 2        # times a round of other works: these requests are few

    def run(server, seconds:, round:)
      super(server, seconds: seconds * LENGTH, round: round)
    end

    private

    def paths
      PATHS
    end

    def connections
      CONNECTIONS
    end

    def rate
      UTILISATION * @work.arrangement.instances / SERVICE_SECONDS
    end
  end
end
