# frozen_string_literal: true

require_relative '../outcome'
require_relative '../programs'
require_relative '../wrk'
require_relative 'load'

module Bench
  # A fixed number of clients. Each sends its next request once it has the answer to the last one.
  class ClosedLoad < Load
    # Returns an Outcome.
    def self.run(url, clients:, seconds:, kept: true)
      wrk = Wrk.new(url, clients: clients, seconds: seconds, kept: kept)
      Outcome.with_cpu do
        wrk.parse(*Programs.run(wrk.command))
        Outcome.new(requests: wrk.answers, seconds: wrk.seconds, failures: wrk.refused + wrk.broken,
                    latency: Outcome.milliseconds(wrk.latency), more: {})
      end
    end

    def self.missing(_places)
      nil # without wrk there is no benchmark at all
    end

    def run(server, seconds:, round:) # rubocop:disable Lint/UnusedMethodArgument
      self.class.run(server.url(@work.path), clients: @work.clients, seconds: seconds, kept: kept?)
    end

    private

    def kept?
      true
    end
  end

  # The same with a connection for each request, as with a server that keeps no connections.
  class ConnectingLoad < ClosedLoad
    private

    def kept?
      false
    end
  end
end
