# frozen_string_literal: true

require_relative 'passenger_server'

module Bench
  # (1) This project.
  class Ours < PassengerServer
    # settings: directives beside those of all servers of this kind.
    def initialize(places, settings = '')
      super(places)
      @settings = settings
    end

    def title
      'this module'
    end

    def missing
      absent = [module_file, passenger_root].find { |file| !File.exist?(file) }
      "#{absent} is not there: run make first" if absent
    end

    private

    def module_file
      @places.passenger_module
    end

    def passenger_root
      @places.passenger_root
    end

    def more_directives
      [@settings, threads, command, queue_target, warm_up].compact.join("\n")
    end

    def threads
      "PassengerThreadCount #{@arrangement.handlers}" if @arrangement.handlers > 1
    end

    def queue_target
      target = @arrangement.queue_target
      "PassengerQueueTarget #{target}" if target
    end

    def warm_up
      'PassengerWarmUp /plain' if @arrangement.restarts
    end

    def command
      return nil unless App.interface(@app.name) == :command

      'PassengerAppStartCommand "SOCKET=$PASSENGER_SOCKET exec node app.js"'
    end
  end
end
