# frozen_string_literal: true

require_relative 'loads/goodput'
require_relative 'probes/boot_times'
require_relative 'probes/instance_memory'
require_relative 'probes/many_apps'
require_relative 'probes/queue_trip'

module Bench
  # The rows as text: one block for each work; each figure also as a multiple of the two peers'
  # figures.
  class Table
    PEERS = { 'passenger' => 'Passenger', 'puma' => 'Puma', 'unicorn' => 'Unicorn',
              'puma-cluster' => 'Puma', 'modwsgi' => 'mod_wsgi', 'uwsgi' => 'uWSGI',
              'gunicorn' => 'gunicorn', 'uvicorn' => 'uvicorn',
              'node' => 'balancer', 'limit' => 'limit' }.freeze
    RATIOS = { 'rate' => 'rate', 'cpu_us' => 'CPU', 'p99_ms' => 'p99' }.freeze
    BUSY = 0.1
    # Probes of this module alone, in the order of the output.
    PROBES = [ManyApps, QueueTrip, BootTimes, InstanceMemory].freeze

    # rows: as Row#to_h and the probes return them, and as JSON keeps them.
    def initialize(rows)
      @works = rows.group_by { |row| row['work'] }
    end

    def to_s
      @works.map { |work, rows| "#{rows.first['title']}\n#{block(work, rows)}" }.join("\n")
    end

    private

    def block(work, rows)
      probe = PROBES.find { |one| one.key == work }
      return probe.lines(rows.first) if probe

      [load_block(rows), overload_block(rows), goodput_block(rows), deploy_block(rows),
       warning(rows)].join
    end

    def load_block(rows)
      peers = PEERS.select { |key, _| rows.any? { |row| row['server'] == key } }
      lines = [heading(peers)]
      rows.each do |row|
        lines << line(row, peers.keys.map { |key| rows.find { |peer| peer['server'] == key } })
      end
      lines.map { |line| "#{line.rstrip}\n" }.join
    end

    def heading(peers)
      format('  %-18s %11s %8s %8s %8s %7s', '', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs',
             'failed') +
        peers.values.map { |title| format('  | %-26s', "#{RATIOS.values.join(', ')} / #{title}") }
          .join
    end

    def line(row, peers)
      format('  %-18s %11s %8s %8s %8s %7d', row['server_title'], number(row['rate'], 0),
             number(row['p50_ms'], 3),
             number(row['p99_ms'], 2), number(row['cpu_us'], 1), row['failures']) +
        peers.map { |peer| format('  | %-26s', ratios(row, peer)) }.join
    end

    def ratios(row, peer)
      return '' if row.equal?(peer)

      RATIOS.keys.map { |field| factor(row[field], peer[field]) }.join('  ')
    end

    # Figures beside those of the good answers.
    def overload_block(rows)
      return '' unless rows.first.key?('kept')

      floor = rows.find { |row| row['server'] == 'floor' }
      heading = format('  %-18s %11s %8s %14s %8s %10s %10s', '', 'alone/s', 'kept', 'kept / floor',
                       '503/s',
                       '503 p99 ms', 'unsent/s')
      lines = rows.map do |row|
        format('  %-18s %11s %8s %14s %8s %10s %10s', row['server_title'],
               number(row['alone_rate'], 0),
               number(row['kept'], 2), factor(row['kept'], floor && floor['kept']),
               number(row['refused_rate'], 0),
               number(row['refused_p99_ms'], 2), number(row['unsent_rate'], 0))
      end
      [heading, *lines].map { |line| "#{line.rstrip}\n" }.join
    end

    # Good answers within a second as shares of the capacity, by the rate.
    def goodput_block(rows)
      fields = Goodput::RATES.to_h { |rate| [rate, Goodput.field(rate)] }
      return '' unless rows.first.key?(fields.values.first)

      heading = format('  %-18s', 'in time at') +
        fields.keys.map { |rate| format(' %7s×', rate) }.join
      lines = rows.map do |row|
        format('  %-18s', row['server_title']) +
          fields.values.map { |field| format(' %8s', number(row[field], 2)) }.join
      end
      [heading, *lines].map { |line| "#{line}\n" }.join
    end

    # Latencies while versions start, beside those before.
    def deploy_block(rows)
      return '' unless rows.first.key?('peace_p99_ms')

      heading = format('  %-18s %15s %15s %15s %15s', 'milliseconds', 'p99 in peace',
                       'longest', 'p99 at starts', 'longest')
      lines = rows.map do |row|
        format('  %-18s', row['server_title']) +
          %w[peace_p99_ms peace_max_ms p99_ms longest_ms].map do |field|
            format(' %15s', number(row[field], 2))
          end.join
      end
      [heading, *lines].map { |line| "#{line}\n" }.join
    end

    def number(value, digits)
      value ? format("%.#{digits}f", value) : '-'
    end

    def factor(value, other)
      value && other&.nonzero? ? format('%.2f×', value / other.to_f) : '-'
    end

    def warning(rows)
      others = rows.map { |row| row['rounds'].map { |round| round['other_cpu'] } }.flatten.max
      return '' if others < BUSY

      format("  Other work on this machine took up to %d %% of a CPU in a round: repeat on a " \
             "quiet one.\n", others * 100)
    end
  end
end
