# frozen_string_literal: true

require_relative 'failure'
require_relative 'row'
require_relative 'stage'
require_relative 'work'

module Bench
  # Measures each work on each server. The servers take turns, so that changes of the machine affect
  # all of them.
  class ComparisonRun
    # Seconds that each server rests before its next load. Puma needs the rest behind kept
    # connections: without it, new connections starve behind the old ones, and Puma reaches a third
    # of its rate.
    REST_SECONDS = 3

    def initialize(places, servers, works:, rounds:, seconds:)
      @places = places
      @servers = servers
      @works = works
      @rounds = rounds
      @seconds = seconds
    end

    # Returns the Rows, by work and server.
    def rows
      @works.group_by(&:arrangement).flat_map do |arrangement, works|
        servers = @servers.select { |server| server.takes?(arrangement) }
        stage = Stage.new(@places, servers)
        stage.open(arrangement) { works.flat_map { |work| measure(stage, work, servers) } }
      end
    end

    private

    def measure(stage, work, servers)
      $stderr.puts "#{work.title}: warming up" # stdout is for the table
      stage.warm_up(work)
      @last_load = Hash.new(now)
      load = work.load.new(work)
      rows = servers.map { |server| Row.new(work, server) }
      rounds = [@rounds, work.most_rounds].compact.min
      rounds.times do |round|
        $stderr.puts "#{work.title}: round #{round + 1} of #{rounds}"
        measure_round(load, rows.rotate(round), round)
      end
      rows.select(&:measured?)
    end

    def measure_round(load, rows, round)
      if load.prepares?
        rows = rows.select { |row| rested(row.server) { prepared?(load, row, round) } }
      end
      rows.each { |row| rested(row.server) { measure_row(load, row, round) } }
    end

    def measure_row(load, row, round)
      server = row.server
      began = now
      busy = machine_cpu
      cpu = server.cpu_seconds
      outcome = load.run(server, seconds: @seconds, round: round)
      cpu = server.cpu_seconds - cpu
      others = machine_cpu - busy - cpu - outcome.load_cpu
      row.add(outcome, cpu: cpu, other_cpu: [others / (now - began), 0].max)
    rescue Failure => error
      leave_out(row, round, error)
    end

    def prepared?(load, row, round)
      load.prepare(row.server, seconds: @seconds)
      true
    rescue Failure => error
      leave_out(row, round, error)
      false
    end

    # A server that fails in one round does not cost the figures of the others.
    def leave_out(row, round, error)
      row.left_out += 1
      $stderr.puts "Left out: #{row.server.title}, #{row.work.title}, round #{round + 1}: " \
                   "#{error.message}"
    end

    def rested(server)
      sleep [@last_load[server] + REST_SECONDS - now, 0].max
      yield
    ensure
      @last_load[server] = now
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    # Seconds of user, nice and system time of all processes of the machine.
    def machine_cpu
      File.open('/proc/stat', &:readline).split[1, 3].sum(&:to_i) / ProcessTree::TICKS_PER_SECOND
    end
  end
end
