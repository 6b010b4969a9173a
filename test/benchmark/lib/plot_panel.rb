# frozen_string_literal: true

require 'cgi'

module Bench
  # The latencies of one work. Percentiles go to the right, milliseconds upwards; both scales are
  # logarithmic, which gives the last percentiles room.
  class PlotPanel
    WIDTH = 560
    HEIGHT = 330
    LEFT = 72
    RIGHT = 536
    TOP = 36
    BOTTOM = 280
    PERCENTILES = %w[50 75 90 95 99 99.9].freeze
    TICKS = (-3..5).flat_map { |power| [1, 2, 5].map { |digit| digit * 10.0**power } }.freeze # ms
    MANY_TICKS = 8

    # rows: of one work, as Row#to_h returns them.
    def initialize(rows)
      @rows = rows
      @lines = rows.to_h do |row|
        [row['server'], PERCENTILES.to_h { |name| [name, median(row, name)] }.compact]
      end
      values = @lines.values.flat_map(&:values)
      @low = TICKS.reverse.find { |tick| tick <= (values.min || 1) } || TICKS.first
      @high = TICKS.find { |tick| tick >= (values.max || 1) && tick > @low } || TICKS.last
    end

    def to_svg
      <<~SVG.chomp
        #{title}
        #{value_ticks.map { |tick| value_line(tick) }.join("\n")}
        #{PERCENTILES.map { |name| percentile_line(name) }.join("\n")}
        #{note((LEFT + RIGHT) / 2, BOTTOM + 36, 'middle', 'percentile')}
        #{Plot::STYLES.keys.reverse.map { |server| line(server) }.compact.join("\n")}
      SVG
    end

    private

    def median(row, name)
      values = row['rounds'].map { |round| round['latency_ms'][name] }.compact.sort
      [values[values.length / 2], TICKS.first].max unless values.empty?
    end

    # Powers of ten only if there are many.
    def value_ticks
      all = TICKS.select { |tick| tick.between?(@low, @high) }
      all.length <= MANY_TICKS ? all : all.select { |tick| (Math.log10(tick) % 1).zero? }
    end

    def value_line(tick)
      y = y(tick)
      %(<line x1="#{LEFT}" y1="#{y}" x2="#{RIGHT}" y2="#{y}" stroke="#dddddd"/>) +
        note(LEFT - 8, y + 4, 'end', time(tick))
    end

    def percentile_line(name)
      x = x(name)
      %(<line x1="#{x}" y1="#{TOP}" x2="#{x}" y2="#{BOTTOM}" stroke="#eeeeee"/>) +
        note(x, BOTTOM + 18, 'middle', name)
    end

    def title
      text = CGI.escapeHTML(@rows.first['title'])
      %(<text x="#{LEFT}" y="22" font-size="14" font-weight="bold">#{text}</text>)
    end

    def note(x, y, anchor, text)
      %(<text x="#{x}" y="#{y}" font-size="12" fill="#555555" ) +
        %(text-anchor="#{anchor}">#{text}</text>)
    end

    def line(server)
      points = @lines.fetch(server, {}).map { |name, value| [x(name), y(value)] }
      return nil if points.empty?

      colour = Plot::STYLES[server][:colour]
      corners = points.map { |point| point.join(',') }.join(' ')
      %(<polyline fill="none" stroke-linejoin="round" ) +
        %(#{Plot.stroke(server)} points="#{corners}"/>) +
        points.map { |x, y| %(<circle cx="#{x}" cy="#{y}" r="2.6" fill="#{colour}"/>) }.join
    end

    def x(name)
      first, last, value = [PERCENTILES.first, PERCENTILES.last, name].map do |text|
        -Math.log10(1 - text.to_f / 100)
      end
      (LEFT + (value - first) / (last - first) * (RIGHT - LEFT)).round(1)
    end

    def y(value)
      low, high, log = [@low, @high, value].map { |number| Math.log10(number) }
      (BOTTOM - (log - low) / (high - low) * (BOTTOM - TOP)).round(1)
    end

    def time(tick)
      tick >= 1000 ? format('%g s', tick / 1000) : format('%g ms', tick)
    end
  end
end
