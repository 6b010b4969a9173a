# frozen_string_literal: true

require_relative 'app'
require_relative 'loads/closed_load'

module Bench
  # One application on all servers at once. Starts the servers, warms them up, and ends them in any
  # case.
  class Stage
    WARM_SECONDS = 1
    WARM_ROUNDS = 60
    # Of the warm-up.
    MOST_CLIENTS = 64

    def initialize(places, servers)
      @places = places
      @servers = servers
    end

    # copies: the number of copies of the application with a virtual host each; yields their Sites.
    def open(arrangement, copies = 0)
      app = App.prepare(arrangement.app, @places)
      sites = Array.new(copies) { |number| app.copy(number, @places) }
      @servers.each { |server| server.start(app, arrangement, sites) }
      yield sites
    ensure
      finish
    end

    # Loads each server until no new process starts during a second.
    def warm_up(work)
      @servers.each do |server|
        server.await(work.path)
        before = nil
        WARM_ROUNDS.times do
          ClosedLoad.run(server.url(work.path), clients: [work.clients, MOST_CLIENTS].min,
                         seconds: WARM_SECONDS)
          now = server.processes.map(&:pid).sort
          break if now == before

          before = now
        end
      end
    end

    private

    # Ignores signals: the end takes seconds, and a second Ctrl-C must not leave processes.
    def finish
      previous = %w[INT TERM HUP].map { |signal| [signal, trap(signal, 'IGNORE')] }
      @servers.each(&:let_go)
      @servers.each do |server|
        killed = server.finish
        unless killed.empty?
          warn "#{server.title} did not end by itself; killed: #{killed.join(', ')}"
        end
      end
    ensure
      previous.each { |signal, handler| trap(signal, handler || 'DEFAULT') }
    end
  end
end
