# frozen_string_literal: true

module PhusionPassenger
  # What signals do in preloaders and instances: TERM and INT end the process in order, QUIT writes where each thread is
  # to the log, and the process goes on.
  module Signals
    ENDING = %w[TERM INT].freeze

    # Yields the signal's name, in a signal handler.
    def self.on_end
      ENDING.each { |name| trap(name) { yield name } }
    end

    def self.print_backtraces_on_quit
      trap("QUIT") { print_backtraces }
    end

    # The application's own forks are no instances.
    def self.restore
      [*ENDING, "QUIT"].each { |name| trap(name, "DEFAULT") }
    end

    # In a signal handler: only what takes no lock.
    def self.print_backtraces
      # The main thread last: of what is too much for a report, the beginning goes.
      Thread.list.reverse_each do |thread|
        name = thread == Thread.main ? "main" : thread.name
        STDERR.syswrite(["Thread #{name} of process #{Process.pid}:", *thread.backtrace].join("\n    ") << "\n") # rubocop:disable Style/GlobalStdStream
      end
    rescue SystemCallError, IOError
      nil
    end
    private_class_method :print_backtraces
  end
end
