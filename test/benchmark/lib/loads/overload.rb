# frozen_string_literal: true

require_relative '../open_loop'
require_relative '../outcome'
require_relative '../programs'
require_relative '../wrk'
require_relative 'closed_load'

module Bench
  # Twice what a server can do: the clients, and as many requests beside them as they reach alone, which come at a fixed
  # rate. What counts is how much of the good answers is left, and how fast the others are refused.
  class Overload
    # With the clients, more than instances and line take: so some must be refused.
    SURPLUS_CONNECTIONS = 128
    REFUSED = 503

    def self.missing(places)
      OpenLoop.missing(places)
    end

    def initialize(work)
      @work = work
      @alone = {}
    end

    def prepares?
      true
    end

    # What the clients reach alone in this round. That shows sooner than what happens when they are not alone.
    def prepare(server, seconds:)
      seconds = [seconds - 1, 1].max
      @alone[server] = ClosedLoad.run(server.url(@work.path), clients: @work.clients, seconds: seconds).rate
    end

    def run(server, seconds:, round:)
      clients = Wrk.new(server.url(@work.path), clients: @work.clients, seconds: seconds)
      surplus = OpenLoop.new(server, rate: @alone[server], seconds: seconds, seed: round + 1,
                                     connections: SURPLUS_CONNECTIONS, paths: { @work.path => 1 })
      Outcome.with_cpu do
        outputs = Programs.run(clients.command, surplus.command)
        outcome(clients.parse(outputs.first), surplus.parse(outputs.last), seconds, @alone[server])
      end
    end

    private

    # Latencies are the surplus's. wrk does not tell one status from another, so what it calls refused is taken for that;
    # and it counts a read error now and then where httpd, as it always does after a 503, closed the connection.
    def outcome(clients, surplus, seconds, alone)
      path = @work.path
      good = clients.answers - clients.refused + surplus.count(path, 200)
      refused = clients.refused + surplus.count(path, REFUSED)
      Outcome.new(requests: good, seconds: seconds, failures: clients.timeouts + surplus.failures(200, REFUSED),
                  latency: Outcome.milliseconds(surplus.latency(path, 200)),
                  more: { 'alone_rate' => alone.round(1), 'kept' => (good / seconds / alone).round(4),
                          'refused_rate' => refused / seconds.to_f, 'unsent_rate' => surplus.dropped / seconds.to_f,
                          'refused_p99_ms' => Outcome.milliseconds(surplus.latency(path, REFUSED))['99'] })
    end
  end
end
