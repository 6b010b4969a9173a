# frozen_string_literal: true

require 'json'
require_relative '../failure'
require_relative '../programs'

module Bench
  # A request's way through the queue to another process and back (queue/QueueBenchmark.cpp), and a
  # bare exchange of messages for comparison.
  class QueueTrip
    def self.key
      'queue'
    end

    def self.lines(row)
      format("  %-18s %11.0f round trips/s\n  %-18s %11.0f\n  %-18s %11.2f\n", 'bare ping-pong',
             row['bare_rate'],
             row['server_title'], row['rate'], 'share', row['share'])
    end

    def initialize(places)
      @program = places.tool('queue/queue_benchmark')
    end

    def missing
      "#{@program} is not there: run make bench" unless File.executable?(@program)
    end

    # Like Row#to_h.
    def row
      output, = Programs.run([@program])
      line = output[/^\{.*\}$/] or raise Failure, "queue_benchmark gave no report:\n#{output}"
      { 'work' => self.class.key, 'title' => 'queue: to another process and back, on one core',
        'server' => 'ours',
        'server_title' => 'the line' }.merge(JSON.parse(line))
    end
  end
end
