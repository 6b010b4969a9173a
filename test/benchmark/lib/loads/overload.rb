# frozen_string_literal: true

require_relative '../open_loop'
require_relative '../outcome'
require_relative '../programs'
require_relative '../wrk'
require_relative 'closed_load'
require_relative 'load'

module Bench
  # Twice the capacity of a server: the clients, and further requests at a fixed rate that equals
  # the clients' rate alone. The figures are the remaining rate of good answers, and how fast the
  # others are refused.
  class Overload < Load
    # With the clients, more connections than instances and queue take: some must be refused.
    SURPLUS_CONNECTIONS = 128
    REFUSED = 503

    def self.missing(places)
      OpenLoop.missing(places)
    end

    def initialize(work)
      super
      @alone = {}
    end

    def prepares?
      true
    end

    # Measures the clients' rate alone, for each server of the round before the first overload.
    def prepare(server, seconds:)
      seconds = [seconds - 1, 1].max
      @alone[server] = ClosedLoad.run(server.url(@work.path), clients: @work.clients,
                                      seconds: seconds).rate
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

    # Latencies are those of the surplus. wrk does not distinguish statuses: answers that it counts
    # as errors count as refused. httpd closes the connection after each 503, and wrk then sometimes
    # counts a read error, too.
    def outcome(clients, surplus, seconds, alone)
      path = @work.path
      good = clients.answers - clients.refused + surplus.count(path, 200)
      refused = clients.refused + surplus.count(path, REFUSED)
      Outcome.new(requests: good, seconds: seconds,
                  failures: clients.timeouts + surplus.failures(200, REFUSED),
                  latency: Outcome.milliseconds(surplus.latency(path, 200)),
                  more: { 'alone_rate' => alone.round(1),
                          'kept' => (good / seconds / alone).round(4),
                          'refused_rate' => refused / seconds.to_f,
                          'unsent_rate' => surplus.dropped / seconds.to_f,
                          'refused_p99_ms' =>
                            Outcome.milliseconds(surplus.latency(path, REFUSED))['99'] })
    end
  end
end
