# frozen_string_literal: true

require 'rbconfig'
require_relative 'app'
require_relative 'failure'
require_relative 'loads/closed_load'
require_relative 'programs'

module Bench
  # The least processor time that an answer needs behind httpd: that of the bare handler, and that
  # of the application when it is called in a loop. A row beside those of the servers.
  class Limit
    SCRIPT = File.expand_path('call_in_loop.rb', __dir__)
    KEY = 'limit'

    # rows: as Row#to_h returns them, of any works. Returns those with the limits.
    def self.beside(rows, works, places)
      works.filter_map do |work|
        floor = rows.find { |row| row['work'] == work.key && row['server'] == 'floor' }
        next unless floor && work.load == ClosedLoad && App.interface(work.app) == :rack

        new(work, floor, places).to_h
      end
    end

    def initialize(work, floor, places)
      @work = work
      @floor = floor
      @places = places
    end

    def to_h
      in_loop = measure
      { 'work' => @work.key, 'title' => @work.title, 'clients' => @work.clients, 'server' => KEY,
        'server_title' => 'handler + loop', 'cpu_us' => (@floor['cpu_us'] + in_loop).round(1),
        'loop_us' => in_loop, 'failures' => 0, 'rounds' => [] }
    end

    private

    # The application's folder is still there.
    def measure
      folder = File.join(@places.run_folder, 'apps', @work.app)
      environment = App.environment(@work.app)
      command = [environment, RbConfig.ruby, SCRIPT, @work.path, { chdir: folder }]
      output, = Programs.run(command)
      Float(output[/^LOOP (.*)$/, 1] || raise(Failure, "the loop gave no figure:\n#{output}"))
    end
  end
end
