# frozen_string_literal: true

module Bench
  # The rows for people: one block for each work, with each figure also as a multiple of the two peers' figures.
  class Table
    PEERS = { 'passenger' => 'Passenger', 'puma' => 'Puma' }.freeze
    RATIOS = { 'rate' => 'rate', 'cpu_us' => 'CPU', 'p99_ms' => 'p99' }.freeze
    BUSY = 0.1

    # rows: as Row#to_h gives them and JSON keeps them.
    def initialize(rows)
      @works = rows.group_by { |row| row['work'] }
    end

    def to_s
      @works.each_value.map { |rows| block(rows) }.join("\n")
    end

    private

    def block(rows)
      peers = PEERS.select { |key, _| rows.any? { |row| row['server'] == key } }
      lines = [rows.first['title'], heading(peers)]
      rows.each { |row| lines << line(row, peers.keys.map { |key| rows.find { |peer| peer['server'] == key } }) }
      "#{lines.map(&:rstrip).join("\n")}\n#{warning(rows)}"
    end

    def heading(peers)
      format('  %-18s %11s %8s %8s %8s %7s', '', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs', 'failed') +
        peers.values.map { |title| format('  | %-26s', "#{RATIOS.values.join(', ')} / #{title}") }.join
    end

    def line(row, peers)
      figures = format('  %-18s %11.0f %8.2f %8.2f %8.1f %7d',
                       *row.values_at('server_title', 'rate', 'p50_ms', 'p99_ms', 'cpu_us', 'failures'))
      figures + peers.map { |peer| format('  | %-26s', ratios(row, peer)) }.join
    end

    def ratios(row, peer)
      return '' if row.equal?(peer)

      RATIOS.keys.map { |field| peer[field].zero? ? '-' : format('%.2f×', row[field] / peer[field].to_f) }.join('  ')
    end

    def warning(rows)
      others = rows.map { |row| row['rounds'].map { |round| round['other_cpu'] }.max }.max
      return '' if others < BUSY

      format("  Other work on this machine took up to %d %% of a CPU in a round: repeat on a quiet one.\n", others * 100)
    end
  end
end
