# frozen_string_literal: true

require 'net/http'
require_relative '../arrangement'
require_relative '../memory'
require_relative '../servers/ours'
require_relative '../servers/passenger'
require_relative '../stage'

module Bench
  # What each further instance of the Rails application costs in memory that it shares with no other process, after as
  # many requests as they all take in turns: the median of five instances, beside Passenger's.
  class InstanceMemory
    INSTANCES = 5
    REQUESTS = 1000 # for each
    PATHS = %w[/plain /posts /posts/1].freeze
    ARRANGEMENT = Arrangement.new(app: 'rails', instances: INSTANCES)

    def self.key
      'memory'
    end

    def self.lines(row)
      servers = row['servers'].map do |server|
        format("  %-18s %11.1f %9d\n", server['title'], server['private_mib'], server['instances'])
      end
      format("  %-18s %11s %9s\n%s%s", '', 'private MiB', 'instances', servers.join, share(row))
    end

    def self.share(row)
      row['share'] ? format("  %-18s %11.2f\n", 'share', row['share']) : ''
    end
    private_class_method :share

    def initialize(places)
      @places = places
    end

    def missing
      App.missing('rails') || Ours.new(@places).missing
    end

    # As a Row's to_h.
    def row
      servers = [Ours, Passenger].map { |type| type.new(@places) }.reject(&:missing)
      found = servers.map { |server| { 'title' => server.title, **measure(server) } }
      ours, theirs = found.map { |server| server['private_mib'] }
      { 'work' => self.class.key, 'server' => 'ours', 'server_title' => 'this module',
        'title' => "memory of each further Rails instance alone, after #{REQUESTS} requests",
        'servers' => found, 'share' => theirs && (ours / theirs).round(3) }
    end

    private

    def measure(server)
      Stage.new(@places, [server]).open(ARRANGEMENT) do
        $stderr.puts "#{REQUESTS} requests for each of #{INSTANCES} Rails instances of #{server.title}"
        server.httpd.await(PATHS.first)
        ask(server)
        sizes = instances(server).map { |pid| Memory.of(pid) }.compact.map(&:private).sort
        return { 'private_mib' => (sizes[sizes.length / 2] / 1024.0).round(2), 'instances' => sizes.length }
      end
    end

    # As many clients as instances, so that all of them get their share.
    def ask(server)
      Array.new(INSTANCES) { Thread.new { session(server) } }.each(&:join)
    end

    def session(server)
      Net::HTTP.start('127.0.0.1', server.httpd.port, read_timeout: 120) do |http|
        REQUESTS.times do |number|
          path = PATHS[number % PATHS.length]
          status = http.get(path).code
          raise Failure, "#{path} answered #{status}" unless status == '200'
        end
      end
    end

    # By the title that both give them.
    def instances(server)
      server.processes.map(&:pid).select { |pid| title(pid).start_with?('Passenger RubyApp: ') }
    end

    def title(pid)
      File.read("/proc/#{pid}/cmdline")
    rescue Errno::ENOENT, Errno::ESRCH
      ''
    end
  end
end
