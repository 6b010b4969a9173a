# frozen_string_literal: true

require 'json'
require_relative 'failure'

module Bench
  # A load whose requests are sent at a fixed rate, however slow the answers are
  # (load/OpenLoop.cpp).
  class OpenLoop
    def self.program(places)
      places.tool('load/open_loop')
    end

    def self.missing(places)
      "#{program(places)} is not there: run make bench" unless File.executable?(program(places))
    end

    attr_reader :command

    # paths: weights by path. The same seed gives the same requests at the same times.
    def initialize(server, rate:, seconds:, seed:, connections:, paths:)
      @command = [self.class.program(server.places), server.port, rate, seconds, seed, connections,
                  *paths.map { |path, weight| "#{path}=#{weight}" }]
    end

    def parse(output)
      line = output[/^\{.*\}$/] or
        raise Failure, "#{File.basename(@command.first)} gave no report:\n#{output}"
      @report = JSON.parse(line)
      self
    end

    def count(path, status)
      find(path, status)&.fetch('count') || 0
    end

    # Answers within a second from when the request was due.
    def in_time(path, status)
      find(path, status)&.fetch('in_time') || 0
    end

    # Microseconds by percentile; empty without such an answer.
    def latency(path, status)
      find(path, status)&.fetch('latency') || {}
    end

    # Answers with other statuses, and requests without an answer.
    def failures(*statuses)
      @report['answers'].reject { |answer| statuses.include?(answer['status']) }
        .sum { |answer| answer['count'] } +
        @report['broken'] + @report['unanswered']
    end

    # Requests that were not sent, because all connections were busy.
    def dropped
      @report['dropped']
    end

    private

    def find(path, status)
      @report['answers'].find { |answer| answer['path'] == path && answer['status'] == status }
    end
  end
end
