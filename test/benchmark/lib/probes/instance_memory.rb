# frozen_string_literal: true

require 'net/http'
require_relative '../arrangement'
require_relative '../memory'
require_relative '../servers/ours'
require_relative '../servers/passenger'
require_relative '../stage'

module Bench
  # The private memory of each further instance of the Rails application, after equally many
  # requests to each: the median of five instances, compared with Passenger's. With
  # PassengerReforkAfter, the instances are forked from a warm one.
  class InstanceMemory
    INSTANCES = 5
    REQUESTS = 1000 # for each
    PATHS = %w[/plain /posts /posts/1].freeze
    ARRANGEMENT = Arrangement.new(app: 'rails', instances: INSTANCES)
    # With so many requests for each, one of the instances has made the next preloader by the last
    # request. Instances of that preloader get too few requests to make another: an instance that
    # forks a preloader shares all its pages for a while.
    WARM_REQUESTS = 2 * REQUESTS
    REFORK = "PassengerReforkAfter #{WARM_REQUESTS}\n"
    REFORK_SECONDS = 120 # at most, with the replacement of all instances
    SMALL_HEAP = <<~DIRECTIVES
      SetEnv RUBY_GC_HEAP_GROWTH_FACTOR 1.05
      SetEnv RUBY_GC_HEAP_FREE_SLOTS_MIN_RATIO 0.1
      SetEnv RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO 0.2
    DIRECTIVES
    VARIANTS = { '' => '', ', small heap' => SMALL_HEAP, ', refork' => REFORK }.freeze

    def self.key
      'memory'
    end

    def self.lines(row)
      servers = row['servers'].map do |server|
        format("  %-36s %11.1f %8s\n", server['title'], server['private_mib'],
               server['share'] || '-')
      end
      format("  %-36s %11s %8s\n%s", '', 'private MiB', 'share', servers.join)
    end

    def initialize(places)
      @places = places
    end

    def missing
      App.missing('rails') || Ours.new(@places).missing
    end

    # Like Row#to_h.
    def row
      found = VARIANTS.map do |name, settings|
        measure(Ours.new(@places, settings), name, refork: settings.include?(REFORK))
      end
      peer = Passenger.new(@places)
      found << measure(peer) unless peer.missing
      unless peer.missing
        found.each do |one|
          one['share'] = (one['private_mib'] / found.last['private_mib']).round(2)
        end
      end
      { 'work' => self.class.key, 'server' => 'ours', 'server_title' => 'this module',
        'title' => "memory of each further Rails instance alone, after #{REQUESTS} requests",
        'servers' => found }
    end

    private

    def measure(server, name = '', refork: false)
      title = server.title + name
      Stage.new(@places, [server]).open(ARRANGEMENT) do
        $stderr.puts "#{REQUESTS} requests for each of #{INSTANCES} Rails instances of #{title}"
        server.httpd.await(PATHS.first)
        await_refork(server) { ask(server, WARM_REQUESTS) } if refork
        before = instances(server)
        ask(server, REQUESTS)
        after = instances(server)
        if refork && after.sort != before.sort
          raise Failure, "an instance of #{title} was replaced meanwhile"
        end

        sizes = after.map { |pid| Memory.of(pid) }.compact.map(&:private).sort
        return { 'title' => title, 'private_mib' => (sizes[sizes.length / 2] / 1024.0).round(2),
                 'instances' => sizes.length }
      end
    end

    # Waits until all instances from before the block are replaced.
    def await_refork(server)
      old = await_instances(server)
      yield
      await_instances(server, old)
    end

    # Returns all instances once none of them is among `others`.
    def await_instances(server, others = [])
      (REFORK_SECONDS * 10).times do
        found = instances(server)
        return found if found.length == INSTANCES && (found & others).empty?

        sleep 0.1
      end
      raise Failure, "there were not #{INSTANCES} new instances within #{REFORK_SECONDS} seconds"
    end

    # As many clients as instances, so that each instance gets its share.
    def ask(server, requests)
      Array.new(INSTANCES) { Thread.new { session(server, requests) } }.each(&:join)
    end

    def session(server, requests)
      Net::HTTP.start('127.0.0.1', server.httpd.port, read_timeout: 120) do |http|
        requests.times do |number|
          path = PATHS[number % PATHS.length]
          status = http.get(path).code
          raise Failure, "#{path} answered #{status}" unless status == '200'
        end
      end
    end

    # Both servers give instances this title.
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
