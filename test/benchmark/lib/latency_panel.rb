# frozen_string_literal: true

require_relative 'plot_panel'

module Bench
  # The latencies of one work. Percentiles go to the right, milliseconds upwards; both scales are
  # logarithmic, which gives the last percentiles room.
  class LatencyPanel < PlotPanel
    PERCENTILES = %w[50 75 90 95 99 99.9].freeze
    TICKS = (-3..5).flat_map { |power| [1, 2, 5].map { |digit| digit * 10.0**power } }.freeze # ms
    MANY_TICKS = 8

    def initialize(rows)
      super
      @lines = rows.to_h do |row|
        [row['server'], PERCENTILES.to_h { |name| [name, median(row, name)] }.compact]
      end
      values = @lines.values.flat_map(&:values)
      @low = TICKS.reverse.find { |tick| tick <= (values.min || 1) } || TICKS.first
      @high = TICKS.find { |tick| tick >= (values.max || 1) && tick > @low } || TICKS.last
    end

    private

    def axis
      'percentile'
    end

    def grid
      value_ticks.map { |tick| horizontal(y(tick), time(tick)) } +
        PERCENTILES.map { |name| vertical(x(name), name) }
    end

    def points(row)
      @lines.fetch(row['server']).map { |name, value| [x(name), y(value)] }
    end

    def median(row, name)
      values = row['rounds'].map { |round| round['latency_ms'][name] }.compact.sort
      [values[values.length / 2], TICKS.first].max unless values.empty?
    end

    # Powers of ten only if there are many.
    def value_ticks
      all = TICKS.select { |tick| tick.between?(@low, @high) }
      all.length <= MANY_TICKS ? all : all.select { |tick| (Math.log10(tick) % 1).zero? }
    end

    def x(name)
      value, first, last = [name, PERCENTILES.first, PERCENTILES.last].map do |text|
        -Math.log10(1 - text.to_f / 100)
      end
      between(value, first, last, LEFT, RIGHT)
    end

    def y(value)
      between(*[value, @low, @high].map { |number| Math.log10(number) }, BOTTOM, TOP)
    end

    def time(tick)
      tick >= 1000 ? format('%g s', tick / 1000) : format('%g ms', tick)
    end
  end
end
