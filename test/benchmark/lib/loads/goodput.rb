# frozen_string_literal: true

require_relative 'fixed_load'

module Bench
  # Requests at fixed rates below and above what the instances can serve, one rate after the other.
  # No rate begins in the overload of the one before. The figures are the good answers that came in
  # time, as shares of that capacity. All servers get the same requests at the same times.
  class Goodput < FixedLoad
    # Of the capacity.
    RATES = [0.5, 0.9, 1.2, 2, 5].freeze
    # As in apps/mixed/config.ru.
    SERVICE_SECONDS = 0.05
    SECONDS = 10
    # Each has a thread of httpd, so that requests wait in the application's queue.
    CONNECTIONS = 380
    # For what a server still works at after a rate.
    PATIENCE = 60
    # An overload of PassengerQueueTarget lasts for ten seconds after its last sign
    # (QueueDelay::CALM).
    PAUSE = 12

    # The name of a figure.
    def self.field(rate)
      "goodput_at_#{rate}"
    end

    # The rate, the latencies and the failures are those of the highest rate.
    def run(server, seconds:, round:) # rubocop:disable Lint/UnusedMethodArgument
      Outcome.with_cpu do
        loads = RATES.map { |rate| [rate, load_at(rate, server, round)] }
        last = loads.last.last
        Outcome.new(requests: last.in_time(@work.path, 200), seconds: SECONDS,
                    failures: last.failures(200, 503) + last.dropped,
                    latency: Outcome.milliseconds(last.latency(@work.path, 200)),
                    more: loads.to_h { |rate, load| [self.class.field(rate), share(load)] })
      end
    end

    private

    def capacity
      @work.arrangement.instances / SERVICE_SECONDS
    end

    def load_at(rate, server, round)
      load = OpenLoop.new(server, rate: rate * capacity, seconds: SECONDS, seed: round + 1,
                                  connections: CONNECTIONS, paths: { @work.path => 1 })
      load.parse(*Programs.run(load.command))
    ensure
      # Answered after all others.
      Programs.run(['curl', '--silent', '--output', File::NULL, '--max-time', PATIENCE,
                    server.url(@work.path)])
      sleep PAUSE
    end

    def share(load)
      (load.in_time(@work.path, 200) / (SECONDS * capacity)).round(3)
    end
  end
end
