# frozen_string_literal: true

require_relative '../open_loop'
require_relative '../outcome'
require_relative '../programs'
require_relative 'load'

module Bench
  # Work#clients WebSockets, over which Work#rate messages a second go there and back
  # (load/WebSocketLoad.cpp). The figures are messages, their times, and the processor time of each.
  # That of the opening is in it, so the load is longer than others.
  class WebSockets < Load
    SWITCHING_PROTOCOLS = 101
    SECONDS = 20

    # The program's report is that of open_loop.
    class Program < OpenLoop
      def self.program(places)
        places.tool('load/web_socket_load')
      end

      def initialize(server, work, seconds) # rubocop:disable Lint/MissingSuper
        @command = [self.class.program(server.places), server.port, work.rate, seconds,
                    work.clients, work.path]
      end
    end

    def self.missing(places)
      Program.missing(places)
    end

    def run(server, seconds:, round:) # rubocop:disable Lint/UnusedMethodArgument
      load = Program.new(server, @work, SECONDS)
      Outcome.with_cpu do
        load.parse(*Programs.run(load.command))
        Outcome.new(requests: load.count(@work.path, SWITCHING_PROTOCOLS), seconds: SECONDS,
                    failures: load.failures(SWITCHING_PROTOCOLS),
                    latency: Outcome.milliseconds(load.latency(@work.path, SWITCHING_PROTOCOLS)),
                    more: {})
      end
    end
  end
end
