# frozen_string_literal: true

require_relative 'failure'

module Bench
  # nghttp2's load generator: clients over TLS, each with so many streams at once on its connection,
  # or with HTTP/1.1. It writes a line for each answer to a log.
  class H2Load
    PERCENTILES = %w[50 75 90 95 99 99.9].freeze
    SUCCESSFUL = (100..399).freeze

    def self.missing
      'install the package nghttp2-client' unless system('command -v h2load >/dev/null')
    end

    attr_reader :command, :seconds

    # streams: nil for HTTP/1.1.
    def initialize(url, clients:, seconds:, log:, streams: nil)
      @log = log
      @seconds = seconds
      protocol = streams ? ['-m', streams] : ['--h1']
      @command = ['h2load', '-c', clients, '-t', 1, '-D', seconds, *protocol, '--log-file', log,
                  url]
    end

    def parse(output)
      counts = output[/^requests: .*/] or raise Failure, "h2load gave no report:\n#{output}"
      @broken = counts[/(\d+) errored/, 1].to_i + counts[/(\d+) timeout/, 1].to_i
      lines = File.readlines(@log).map { |line| line.split.map(&:to_i) }
      @refused = lines.count { |line| !SUCCESSFUL.cover?(line[1]) }
      @times = lines.map(&:last).sort
      self
    ensure
      File.delete(@log) if File.exist?(@log)
    end

    def answers
      @times.length
    end

    def failures
      @refused + @broken
    end

    # Microseconds by percentile.
    def latency
      return {} if @times.empty?

      PERCENTILES.to_h { |one| [one, @times[(@times.length * one.to_f / 100).floor]] }
        .merge('max' => @times.last)
    end
  end
end
