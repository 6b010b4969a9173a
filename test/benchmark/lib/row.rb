# frozen_string_literal: true

module Bench
  # The result of one server on one work: its rounds, and their medians.
  class Row
    attr_reader :work, :server
    # Rounds in which the server failed.
    attr_accessor :left_out

    def initialize(work, server)
      @work = work
      @server = server
      @rounds = []
      @left_out = 0
      @more = []
    end

    # outcome: of the load; cpu: seconds of the server's processes; other_cpu: seconds of other
    # processes, per second.
    def add(outcome, cpu:, other_cpu:)
      @more |= outcome.more.keys
      @rounds << { 'requests' => outcome.requests, 'rate' => outcome.rate.round(1),
                   'p50_ms' => outcome.latency['50'], 'p99_ms' => outcome.latency['99'],
                   'cpu_us' => (cpu * 1e6 / [outcome.requests, 1].max).round(1),
                   'failures' => outcome.failures,
                   'other_cpu' => other_cpu.round(3), **outcome.more,
                   'latency_ms' => outcome.latency }
    end

    def measured?
      @rounds.any?
    end

    def rate
      median('rate')
    end

    def other_cpu
      median('other_cpu')
    end

    def to_h
      { 'work' => @work.key, 'title' => @work.title, 'clients' => @work.clients,
        'server' => @server.key, 'server_title' => title,
        'rate' => rate, 'p50_ms' => median('p50_ms'), 'p99_ms' => median('p99_ms'),
        'cpu_us' => median('cpu_us'),
        'failures' => @rounds.sum { |round| round['failures'] }, **more, 'rounds' => @rounds }
    end

    private

    # A figure of fewer rounds than the others' says so.
    def title
      @left_out.zero? ? @server.title : "#{@server.title} (-#{@left_out})"
    end

    # Medians of the figures that only some loads have.
    def more
      @more.to_h { |field| [field, median(field)] }
    end

    # nil if no round has the figure.
    def median(field)
      sorted = @rounds.map { |round| round[field] }.compact.sort
      return nil if sorted.empty?

      middle = sorted.length / 2
      value = sorted.length.odd? ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2.0
      value.round(3)
    end
  end
end
