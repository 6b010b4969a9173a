# frozen_string_literal: true

require 'cgi'
require_relative 'goodput_panel'
require_relative 'latency_panel'

module Bench
  # A result as an SVG image: a panel for each work, a line for each server.
  class Plot
    COLUMNS = 2
    WIDTH = 2 * PlotPanel::WIDTH
    HEAD = 96
    FOOT = 16
    LEGEND_STEP = 190
    # Colours that colour-blind people can distinguish (Okabe and Ito). The first is drawn last.
    STYLES = { 'ours' => { colour: '#0072b2', width: 2.8 },
               'passenger' => { colour: '#d55e00', width: 1.8 },
               'puma' => { colour: '#009e73', width: 1.8 },
               'floor' => { colour: '#777777', width: 1.5, dashes: '5 4' } }.freeze
    TEXT = 'font-family="Helvetica, Arial, sans-serif" fill="#222222"'

    # result: as --json writes it.
    def initialize(result)
      @result = result
      @rows = result['rows'].select { |row| row['p50_ms'] && row.key?('rounds') }
    end

    def to_svg
      panels = @rows.group_by { |row| row['work'] }.values.map { |rows| panel(rows) }
      height = HEAD + (panels.length / COLUMNS.to_f).ceil * PlotPanel::HEIGHT + FOOT
      <<~SVG
        <svg xmlns="http://www.w3.org/2000/svg" width="#{WIDTH}" height="#{height}" #{TEXT}>
        <rect width="100%" height="100%" fill="white"/>
        #{heading}
        #{legend}
        #{panels.each_with_index.map { |panel, number| place(panel, number) }.join("\n")}
        </svg>
      SVG
    end

    def self.stroke(server)
      style = STYLES.fetch(server)
      dashes = style[:dashes] ? %( stroke-dasharray="#{style[:dashes]}") : ''
      %(stroke="#{style[:colour]}" stroke-width="#{style[:width]}"#{dashes})
    end

    private

    def panel(rows)
      (rows.first.key?(Goodput.field(Goodput::RATES.first)) ? GoodputPanel : LatencyPanel).new(rows)
    end

    def heading
      <<~SVG.chomp
        <text x="24" y="32" font-size="20" font-weight="bold">This module beside its peers</text>
        <text x="24" y="52" font-size="12" fill="#555555">#{CGI.escapeHTML(caption)}</text>
      SVG
    end

    def caption
      machine = @result['machine']
      "#{machine['cpus']} CPUs (#{machine['cpu']}), httpd #{machine['httpd']} · " \
        "#{@result['date'][0, 10]}"
    end

    def legend
      titles = @rows.to_h { |row| row.values_at('server', 'server_title') }
      STYLES.keys.select { |server| titles.key?(server) }.each_with_index.map do |server, number|
        x = 24 + number * LEGEND_STEP
        %(<line x1="#{x}" y1="76" x2="#{x + 32}" y2="76" #{Plot.stroke(server)}/>) +
          %(<text x="#{x + 40}" y="80" font-size="13">#{CGI.escapeHTML(titles[server])}</text>)
      end.join("\n")
    end

    def place(panel, number)
      row, column = number.divmod(COLUMNS)
      x = column * PlotPanel::WIDTH
      y = HEAD + row * PlotPanel::HEIGHT
      %(<g transform="translate(#{x} #{y})">\n#{panel.to_svg}\n</g>)
    end
  end
end
