# frozen_string_literal: true

require 'json'
require_relative 'failure'

module Bench
  # A closed-loop load: each client sends its next request once it has the answer to the last one.
  class Wrk
    REPORT = File.expand_path('wrk_report.lua', __dir__)

    attr_reader :command

    # `kept`: each client has one connection, as long as the server keeps it. Otherwise each request
    # has a connection.
    def initialize(url, clients:, seconds:, kept: true)
      headers = kept ? [] : ['-H', 'Connection: close']
      @command = ['wrk', '-t1', "-c#{clients}", "-d#{seconds}", '--timeout', '10', '-s', REPORT,
                  *headers, url]
    end

    def parse(output)
      line = output[/^BENCH (.*)$/, 1] or raise Failure, "wrk gave no report:\n#{output}"
      @report = JSON.parse(line)
      self
    end

    # All answers, whatever their status.
    def answers
      @report['requests']
    end

    # Answers with status 400 and above.
    def refused
      @report['status']
    end

    def broken
      @report['socket'] + timeouts
    end

    def timeouts
      @report['timeout']
    end

    def seconds
      @report['duration'] / 1e6
    end

    # Microseconds.
    def latency
      @report['latency']
    end
  end
end
