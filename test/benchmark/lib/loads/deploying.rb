# frozen_string_literal: true

require_relative '../failure'
require_relative 'fixed_load'

module Bench
  # A fixed rate of requests, first in peace, and then while new versions start one after the other.
  # The figures are those of the second time, beside the latencies of the first.
  class Deploying < FixedLoad
    # Each time.
    SECONDS = 10
    # From one restart to the next: the Rails application starts in half of it on an idle machine.
    PAUSE = 2.5

    def run(server, seconds:, round:) # rubocop:disable Lint/UnusedMethodArgument
      peace = super(server, seconds: SECONDS, round: round)
      restarts = Thread.new { restart_often(server) }
      outcome = super(server, seconds: SECONDS, round: round)
      restarts.join
      outcome.load_cpu += peace.load_cpu
      outcome.requests += peace.requests
      outcome.seconds += peace.seconds
      outcome.failures += peace.failures
      outcome.more = { 'peace_p99_ms' => peace.latency['99'],
                       'peace_max_ms' => peace.latency['max'],
                       'longest_ms' => outcome.latency['max'] }
      outcome
    end

    private

    def restart_often(server)
      (SECONDS / PAUSE).to_i.times do
        server.restart
        sleep PAUSE
      end
    end
  end
end
