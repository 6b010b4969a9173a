# frozen_string_literal: true

require 'open3'
require_relative '../arrangement'
require_relative '../servers/ours'
require_relative '../stage'

module Bench
  # How long instances of the Rails application take until they are ready, by the log. The first
  # instance is compared with `rails runner 1`; the preloader forks the others.
  class BootTimes
    ARRANGEMENT = Arrangement.new(app: 'rails', instances: 1)
    FIRST = 5
    FURTHER = 15
    STARTED = /event=instance.started .* pid=(\d+) ms=(\d+)/.freeze

    def self.key
      'boot'
    end

    def self.lines(row)
      format("  %-18s %8d ms\n  %-18s %8d ms\n  %-18s %8d ms\n", 'rails runner 1', row['runner_ms'],
             'first instance',
             row['first_ms'], 'further instance', row['further_ms'])
    end

    def initialize(places)
      @places = places
    end

    def missing
      App.missing('rails') || Ours.new(@places).missing
    end

    # Like Row#to_h.
    def row
      runner = []
      first = []
      further = []
      FIRST.times do |round|
        $stderr.puts "boots of the Rails application: round #{round + 1} of #{FIRST}"
        runner << run_runner
        boot do |server|
          first.concat(started(server)) && further.concat(fork_some(server, FURTHER / FIRST))
        end
      end
      { 'work' => self.class.key, 'server' => 'ours', 'server_title' => 'this module',
        'title' => 'start of a Rails instance, from the request to ready',
        'runner_ms' => median(runner), 'first_ms' => median(first),
        'further_ms' => median(further) }
    end

    private

    def boot
      server = Ours.new(@places)
      @seen = @end.to_i
      Stage.new(@places, [server]).open(ARRANGEMENT) do
        server.httpd.await('/plain')
        yield server
        @end = File.size(server.httpd.log)
      end
    end

    # Kills the only instance each time.
    def fork_some(server, count)
      Array.new(count) do
        before = pids(server)
        Process.kill('KILL', before.last)
        server.httpd.await('/plain')
        sleep 0.01 until pids(server) != before
        started(server).last
      end
    end

    def run_runner
      app = App.prepare('rails', @places)
      command = ['bin/rails', 'runner', '1']
      command = ['setpriv', "--reuid=#{@places.user}", "--regid=#{@places.group}", '--init-groups',
                 *command] if @places.user
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      output, status = Open3.capture2e(app.environment, *command, chdir: app.folder)
      raise Failure, "rails runner 1 failed:\n#{output}" unless status.success?

      ((Process.clock_gettime(Process::CLOCK_MONOTONIC) - began) * 1000).round
    end

    def started(server)
      log(server).map { |_, milliseconds| milliseconds.to_i }
    end

    def pids(server)
      log(server).map { |pid, _| pid.to_i }
    end

    def log(server)
      # Earlier rounds wrote into the log, too.
      File.read(server.httpd.log, nil, @seen).scan(STARTED)
    end

    def median(all)
      all.sort[all.length / 2]
    end
  end
end
