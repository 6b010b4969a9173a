# frozen_string_literal: true

module PhusionPassenger
  # What signals do in preloaders and instances: TERM and INT end the process in order, QUIT writes where each thread is
  # to the log, and the process goes on.
  module Signals
    ENDING = %w[TERM INT].freeze
    # What a monitor is told by.
    MONITORS = %w[HUP USR1 USR2 TTIN TTOU].freeze
    NOTHING = proc {}
    private_constant :MONITORS, :NOTHING

    # Yields the signal's name, in a signal handler.
    def self.on_end
      ENDING.each { |name| trap(name) { yield name } }
    end

    def self.print_backtraces_on_quit
      trap("QUIT") { print_backtraces }
    end

    # They may come to all processes at once: by the end of a terminal, or by `systemctl kill`. The monitor does what there is to be done.
    def self.leave_to_monitor
      MONITORS.each { |name| trap(name, &NOTHING) }
      @left = true
    end

    # The application's own forks are no instances.
    def self.restore
      [*ENDING, "QUIT"].each { |name| trap(name, "DEFAULT") }
      take_from_monitor if @left
    end

    def self.take_from_monitor
      MONITORS.each do |name|
        before = trap(name, "DEFAULT")
        # The application may have set one of its own.
        trap(name, before) unless before.equal?(NOTHING)
      end
    end
    private_class_method :take_from_monitor

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
