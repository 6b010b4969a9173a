# frozen_string_literal: true

require 'fileutils'
require 'socket'
require_relative '../awaiting'
require_relative '../kept_process'
require_relative 'server'

module Bench
  # A program that serves an application over HTTP by itself, on a port of 127.0.0.1. It has as many
  # workers as the arrangement has instances.
  class Standalone < Server
    include Awaiting

    attr_reader :port, :process

    def start(app, arrangement, _sites = [])
      @app = app
      @workers = arrangement.instances
      @folder = File.join(@places.run_folder, "#{key}-#{app.name}")
      FileUtils.mkdir_p(@folder)
      @port = TCPServer.open('127.0.0.1', 0) { |socket| socket.addr[1] }
      @process = KeptProcess.new(command, user: @places.user.to_s,
                                 log: File.join(@folder, 'server.log'),
                                          environment: app.environment.merge(environment),
                                          directory: app.folder)
    end

    def missing
      "install the package #{key[/\w+/]}" unless File.executable?(program)
    end

    def log_end
      File.readlines(File.join(@folder, 'server.log')).last(15).join
    end

    private

    def kept
      [@process].compact
    end

    def environment
      {}
    end

    def address
      "127.0.0.1:#{@port}"
    end
  end

  # (1) This project's passenger-prefork.
  class Prefork < Standalone
    def title
      'passenger-prefork'
    end

    def missing
      "#{program} is not there: run make first" unless File.executable?(program)
    end

    private

    def program
      File.join(@places.build, 'passenger-prefork')
    end

    def command
      [program, '--listen', address, '--environment', 'production', '--start', @workers.to_s,
       '--min-spare', '1',
       '--max-spare', @workers.to_s, '--max-clients', @workers.to_s, @app.folder]
    end

    def environment
      { 'PASSENGER_ROOT' => @places.passenger_root }
    end
  end

  # (2) Unicorn, which closes each connection after its answer. If an answer has no length, wrk
  # counts that as an error, too.
  class Unicorn < Standalone
    def title
      'Unicorn'
    end

    private

    def program
      '/usr/bin/unicorn'
    end

    def command
      settings = File.join(@folder, 'settings.rb')
      File.write(settings, "worker_processes #{@workers}\n")
      [program, '--env', 'production', '--config-file', settings, '--listen', address, 'config.ru']
    end
  end

  # (3) Puma in cluster mode, with one thread for each worker.
  class PumaCluster < Standalone
    def self.key
      'puma-cluster'
    end

    def title
      'Puma'
    end

    private

    def program
      '/usr/bin/puma'
    end

    def command
      [program, '--config', '-', '--environment', 'production', '--silent', '--workers',
       @workers.to_s, '--threads', '1:1',
       '--bind', "tcp://#{address}", 'config.ru']
    end
  end
end
