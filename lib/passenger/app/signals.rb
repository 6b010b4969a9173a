# frozen_string_literal: true

module PhusionPassenger
  # Signals of preloaders and instances. TERM and INT end the process in order. QUIT writes the
  # backtrace of each thread to the log, and the process continues.
  module Signals
    ENDING = %w[TERM INT].freeze
    # Signals that control a monitor.
    MONITORS = %w[HUP USR1 USR2 TTIN TTOU].freeze
    NOTHING = proc {}
    private_constant :MONITORS, :NOTHING

    # Yields the signal's name in a signal handler.
    def self.on_end
      ENDING.each { |name| trap(name) { yield name } }
    end

    def self.print_backtraces_on_quit
      trap("QUIT") { print_backtraces }
    end

    # A terminal's end or `systemctl kill` may send these signals to all processes. The monitor
    # handles them, and its workers ignore them.
    def self.leave_to_monitor
      MONITORS.each { |name| trap(name, &NOTHING) }
      @left = true
    end

    # For processes that the application forks: they are no instances.
    def self.restore
      [*ENDING, "QUIT"].each { |name| trap(name, "DEFAULT") }
      take_from_monitor if @left
    end

    def self.take_from_monitor
      MONITORS.each do |name|
        before = trap(name, "DEFAULT")
        # Keep a handler that the application has set.
        trap(name, before) unless before.equal?(NOTHING)
      end
    end
    private_class_method :take_from_monitor

    # Runs in a signal handler, so it takes no lock.
    def self.print_backtraces
      # The main thread comes last: a report that is too long loses its beginning.
      Thread.list.reverse_each do |thread|
        name = thread == Thread.main ? "main" : thread.name
        lines = ["Thread #{name} of process #{Process.pid}:", *thread.backtrace]
        STDERR.syswrite("#{lines.join("\n    ")}\n") # rubocop:disable Style/GlobalStdStream
      end
    rescue SystemCallError, IOError
      nil
    end
    private_class_method :print_backtraces
  end
end
