# frozen_string_literal: true

require 'net/http'
require_relative '../app'
require_relative '../arrangement'
require_relative '../instruction_counter'
require_relative '../servers/floor'
require_relative '../servers/ours'
require_relative '../stage'

module Bench
  # The cost of a request in httpd's child with 1,000 applications, each in a virtual host of its
  # own, of which six run. It is compared with the cost of a single application. The unit is
  # instructions, which do not vary with the machine's speed. httpd itself searches the virtual
  # hosts in order before the module is called. The bare handler measures that search, and its
  # instructions are subtracted. The six are the first virtual hosts: while instructions are
  # counted, a search through all of them takes so long that caches expire.
  class ManyApps
    APPS = 1000
    UP = 6
    # A child without threads does nothing else meanwhile.
    ARRANGEMENT = Arrangement.new(app: 'hello', instances: UP, children: 1, threads: 0)
    WARM_ROUNDS = 20

    def self.key
      'apps'
    end

    def self.lines(row)
      figures = row.values_at('one', 'floor_one', 'many', 'floor_many')
      format("  %-18s %11s %11s\n  %-18s %11d %11d\n  %-18s %11d %11d\n  %-18s %+10.1f %%\n",
             '', "#{row['server_title']},", 'C handler', '1 application', *figures[0, 2],
             format('%d, %d up', APPS, UP), *figures[2, 2], "more, httpd's off",
             (row['above'] * 100))
    end

    def initialize(places)
      @places = places
      @program = places.tool('instructions/instruction_counter')
      @servers = { '' => Ours.new(places), 'floor_' => Floor.new(places) }
    end

    def missing
      return "#{@program} is not there: run make bench" unless File.executable?(@program)

      @servers.each_value.map(&:missing).compact.first
    end

    # Like Row#to_h.
    def row
      counts = { 'one' => 1, 'many' => APPS }.each_with_object({}) do |(name, apps), found|
        found.merge!(measure(apps).transform_keys { |prefix| prefix + name })
      end
      { 'work' => self.class.key, 'server' => 'ours', 'server_title' => 'this module',
        'title' => "#{APPS} applications configured, #{UP} up, beside 1: instructions of httpd's " \
                   "child a request",
        **counts, 'above' => above(counts).round(4) }
    end

    private

    def above(counts)
      httpd = counts['floor_many'] - counts['floor_one']
      (counts['many'] - httpd) / counts['one'].to_f - 1
    end

    # Instructions for each request, by the servers' prefixes.
    def measure(apps)
      stage = Stage.new(@places, @servers.values)
      stage.open(ARRANGEMENT, apps) do |sites|
        names = sites.first(UP).map(&:name)
        @servers.transform_values do |server|
          $stderr.puts "#{apps} configured: counting the instructions of #{server.title}"
          server.httpd.await('/hello')
          count(server, names)
        end
      end
    end

    # Some requests at full speed go before each counted request, so that the child's caches of one
    # second are filled. On a busy machine the second may be over all the same; the median hides
    # this.
    def count(server, names)
      Net::HTTP.start('127.0.0.1', server.httpd.port, read_timeout: 120) do |http|
        warm_up = -> { WARM_ROUNDS.times { names.each { |name| get(http, name) } } }
        counts = names.cycle.first(UP).map do |name|
          warm_up.call
          InstructionCounter.during(@program, server.httpd.child) { get(http, name) }
        end
        counts.sort[counts.length / 2]
      end
    end

    def get(http, name)
      status = http.get('/hello', 'Host' => name).code
      raise Failure, "#{name} answered #{status}" unless status == '200'
    end
  end
end
