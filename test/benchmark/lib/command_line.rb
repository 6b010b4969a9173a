# frozen_string_literal: true

require 'json'
require 'optparse'
require 'time'
require_relative 'changes'
require_relative 'comparison_run'
require_relative 'failure'
require_relative 'leak_check'
require_relative 'limit'
require_relative 'machine'
require_relative 'places'
require_relative 'plot'
require_relative 'servers/balanced'
require_relative 'servers/floor'
require_relative 'servers/mod_wsgi'
require_relative 'servers/ours'
require_relative 'servers/passenger'
require_relative 'servers/puma'
require_relative 'servers/uwsgi'
require_relative 'table'

module Bench
  # test/benchmark/run and run-prefork: reads the options and carries them out.
  class CommandLine
    SERVERS = [Ours, Passenger, Puma, ModWsgi, Uwsgi, Gunicorn, Uvicorn, Node, Floor].freeze

    # Runs the whole program; returns its exit status.
    def self.main(*arguments, **options)
      %w[TERM HUP].each { |signal| trap(signal) { raise Interrupt } }
      new(*arguments, **options).run
    rescue Failure => error
      abort "benchmark: #{error.message}"
    rescue Interrupt
      abort 'benchmark: interrupted'
    end

    # The servers that can be measured, and the works and probes. Probes measure this module only.
    def initialize(arguments, program: 'run', servers: SERVERS, works: WORKS, probes: [])
      @program = program
      @all_servers = servers
      @all_works = works
      @all_probes = probes
      @options = { build: ENV.fetch('BUILD_DIR') { File.join(Places::SOURCE, 'build') }, seconds: 3,
                   rounds: 3,
                   only: [], servers: [] }
      parser.parse!(arguments)
      raise Failure, "unknown: #{arguments.join(' ')}; see --help" unless arguments.empty?
    rescue OptionParser::ParseError => error
      raise Failure, "#{error.message}; see --help"
    end

    # Returns the exit status.
    def run
      unless system('command -v wrk >/dev/null')
        raise Failure, 'There is no load generator: install the package wrk'
      end

      old = @options[:compare] && JSON.parse(File.read(@options[:compare]))
      @places = Places.new(@options[:build])
      @places.create
      @options[:leak] ? check_for_leaks : compare(old)
    ensure
      @places&.remove
    end

    private

    def parser
      OptionParser.new do |parser|
        parser.banner = "Usage: test/benchmark/#{@program} [options]"
        parser.on('--only NAMES', Array, "of #{names}") { |names| @options[:only] = names }
        parser.on('--servers NAMES', Array, "of #{@all_servers.map(&:key).join(', ')}") do |names|
          @options[:servers] = names
        end
        parser.on('--seconds N', Integer, 'length of a round (3)') do |count|
          @options[:seconds] = positive(count)
        end
        parser.on('--rounds N', Integer, 'rounds, whose median counts (3)') do |count|
          @options[:rounds] = positive(count)
        end
        parser.on('--json FILE', 'write the result to FILE') { |file| @options[:json] = file }
        parser.on('--plot FILE.svg', 'draw latencies, and good answers under overload') do |file|
          @options[:plot] = file
        end
        parser.on('--compare OLD.json', 'show what changed since') do |file|
          @options[:compare] = file
        end
        if @all_servers.include?(Ours)
          parser.on('--leak [N]', Integer, 'see what N (100000) requests leave behind') do |count|
            @options[:leak] = positive(count || 100_000)
          end
        end
        parser.on('--build DIR', 'the build folder (build)') { |folder| @options[:build] = folder }
      end
    end

    def names
      (@all_works.map(&:app) + (@all_works + @all_probes).map(&:key)).uniq.join(', ')
    end

    def positive(count)
      count.positive? ? count : raise(OptionParser::InvalidArgument, count.to_s)
    end

    def servers(keys)
      chosen = @all_servers.select { |server| keys.empty? || keys.include?(server.key) }
        .map { |type| type.new(@places) }
      raise Failure, "no server is called #{keys.join(', ')}; see --help" if chosen.empty?

      present(chosen) { |server| [server.title, server.missing] }
    end

    def works
      present(@all_works.select { |work| work.selected_by?(@options[:only]) }) do |work|
        [work.key, work.missing(@places)]
      end
    end

    def probes
      return [] unless chosen?(@options[:servers], Ours.key)

      chosen = @all_probes.select { |probe| chosen?(@options[:only], probe.key) }
        .map { |probe| probe.new(@places) }
      present(chosen) { |probe| [probe.class.key, probe.missing] }
    end

    # The servers or works that can take part. The block returns the name and what is missing.
    def present(all)
      all.select do |one|
        name, reason = yield one
        warn "Left out: #{name}: #{reason}" if reason
        reason.nil?
      end
    end

    def chosen?(names, name)
      names.empty? || names.include?(name)
    end

    def rows
      settings = @options.slice(:rounds, :seconds)
      chosen = works
      compared = ComparisonRun.new(@places, servers(@options[:servers]), works: chosen,
                                   **settings).rows.map(&:to_h)
      compared + Limit.beside(compared, chosen, @places) + probes.map(&:row)
    end

    def compare(old)
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      found = rows
      raise Failure, 'nothing is left to measure; see --help' if found.empty?

      result = { 'version' => 1, 'date' => Time.now.utc.iso8601, 'machine' => Machine.describe,
                 'settings' => { 'rounds' => @options[:rounds], 'seconds' => @options[:seconds] },
                 'rows' => found }
      File.write(@options[:json], "#{JSON.pretty_generate(result)}\n") if @options[:json]
      File.write(@options[:plot], Plot.new(result).to_svg) if @options[:plot]
      puts Table.new(found)
      puts '', Changes.new(old, result) if old
      puts '', format('It took %.1f minutes.',
                      (Process.clock_gettime(Process::CLOCK_MONOTONIC) - began) / 60)
      0
    end

    def check_for_leaks
      chosen = servers(@options[:servers].empty? ? [Ours.key] : @options[:servers])
      raise Failure, 'nothing to check' if chosen.empty?

      chosen.map { |server| LeakCheck.new(@places, server, @options[:leak]).passed? }.all? ? 0 : 1
    end
  end
end
