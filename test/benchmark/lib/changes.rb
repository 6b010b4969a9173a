# frozen_string_literal: true

require_relative 'table'

module Bench
  # Compares an old and a new result. The speed of the machine varies, so the change counts relative
  # to a peer that was measured in the same run.
  class Changes
    FIELDS = { 'rate' => 'requests/s', 'p50_ms' => 'p50', 'p99_ms' => 'p99', 'cpu_us' => 'CPU',
               'kept' => 'kept',
               'refused_p99_ms' => '503 p99', 'one' => '1 application', 'many' => 'many',
               'bare_rate' => 'ping-pong',
               'share' => 'share' }.freeze

    def initialize(old, new)
      @old = index(old)
      @new = index(new)
    end

    def to_s
      keys = @new.keys & @old.keys
      return "Nothing to compare: the two results have no row in common.\n" if keys.empty?

      lines = keys.group_by(&:first).map { |_, group| block(group) }
      "Change since the older result, in per cent; in brackets beside what the peers changed\n" \
      "#{lines.join}"
    end

    private

    def index(result)
      result['rows'].to_h { |row| [row.values_at('work', 'server'), row] }
    end

    def block(keys)
      lines = keys.map do |key|
        cells = FIELDS.select { |field, _| @new[key].key?(field) }
                      .map { |field, title| format('%s %-18s', title, cell(key, field)) }
        format('  %-18s %s', @new[key]['server_title'], cells.join(' ')).rstrip
      end
      "#{@new[keys.first]['title']}\n#{lines.join("\n")}\n"
    end

    def cell(key, field)
      own = factor(key, field)
      return '-' unless own

      drift = peers_factor(key, field)
      text = percent(own)
      drift ? "#{text} (#{percent(own / drift)})" : text
    end

    def factor(key, field)
      old, new = [@old, @new].map { |rows| rows[key] && rows[key][field] }
      new / old.to_f if old && new && !old.zero? && !new.zero?
    end

    # The change of the machine: the geometric mean over the peers, unless this row is a peer's own.
    def peers_factor(key, field)
      work, server = key
      return nil if Table::PEERS.key?(server)

      factors = Table::PEERS.keys.map { |peer| factor([work, peer], field) }.compact
      factors.reduce(:*)**(1.0 / factors.length) unless factors.empty?
    end

    def percent(factor)
      format('%+.0f', (factor - 1) * 100)
    end
  end
end
