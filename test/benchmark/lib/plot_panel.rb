# frozen_string_literal: true

require 'cgi'

module Bench
  # One work's figures in an SVG image, a line for each server. Subclasses give the scales: grid(),
  # their lines and labels; points(row), the corners of a server's line; axis(), the name of what
  # goes to the right.
  class PlotPanel
    WIDTH = 560
    HEIGHT = 330
    LEFT = 72
    RIGHT = 536
    TOP = 36
    BOTTOM = 280

    # rows: of one work, as Row#to_h returns them.
    def initialize(rows)
      @rows = rows
    end

    def to_svg
      <<~SVG.chomp
        #{title}
        #{grid.join("\n")}
        #{note((LEFT + RIGHT) / 2, BOTTOM + 36, 'middle', axis)}
        #{Plot::STYLES.keys.reverse.map { |server| line(server) }.compact.join("\n")}
      SVG
    end

    private

    def horizontal(y, label)
      %(<line x1="#{LEFT}" y1="#{y}" x2="#{RIGHT}" y2="#{y}" stroke="#dddddd"/>) +
        note(LEFT - 8, y + 4, 'end', label)
    end

    def vertical(x, label)
      %(<line x1="#{x}" y1="#{TOP}" x2="#{x}" y2="#{BOTTOM}" stroke="#eeeeee"/>) +
        note(x, BOTTOM + 18, 'middle', label)
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
      row = @rows.find { |one| one['server'] == server }
      points = row ? points(row) : []
      return nil if points.empty?

      colour = Plot::STYLES[server][:colour]
      corners = points.map { |point| point.join(',') }.join(' ')
      %(<polyline fill="none" stroke-linejoin="round" ) +
        %(#{Plot.stroke(server)} points="#{corners}"/>) +
        points.map { |x, y| %(<circle cx="#{x}" cy="#{y}" r="2.6" fill="#{colour}"/>) }.join
    end

    # The place of a value between two others on a scale of `from` to `to`.
    def between(value, low, high, from, to)
      (from + (value - low) / (high - low).to_f * (to - from)).round(1)
    end
  end
end
