# frozen_string_literal: true

require_relative "backtraces"

module PhusionPassenger
  # Signals of preloaders and instances. TERM and INT end the process in order. QUIT writes the
  # backtrace of each thread to the log, and the process continues. HUP does nothing: a terminal's
  # end or `systemctl kill` may send signals to all processes of httpd.
  module Signals
    ENDING = %w[TERM INT].freeze
    # Signals that control a monitor.
    MONITORS = %w[HUP USR1 USR2 TTIN TTOU].freeze
    NOTHING = proc {}
    private_constant :MONITORS, :NOTHING

    # TERM and INT end the process as if it had no handler: its status tells the signal. The agent
    # then starts it once more.
    def self.end_by_default
      ENDING.each { |name| trap(name, "DEFAULT") }
    end

    # Yields the signal's name in a signal handler.
    def self.on_end
      ENDING.each { |name| trap(name) { yield name } }
    end

    def self.print_backtraces_on_quit
      trap("QUIT") { Backtraces.print }
    end

    # The application may set a handler of its own.
    def self.outlive_hangups
      ignore(%w[HUP])
    end

    # The monitor handles these signals, and its workers ignore them.
    def self.leave_to_monitor
      ignore(MONITORS)
    end

    # For processes that the application forks: they are no instances.
    def self.restore
      [*ENDING, "QUIT"].each { |name| trap(name, "DEFAULT") }
      (@ignored || []).each do |name|
        before = trap(name, "DEFAULT")
        # Keep a handler that the application has set.
        trap(name, before) unless before.equal?(NOTHING)
      end
    end

    def self.ignore(names)
      names.each { |name| trap(name, &NOTHING) }
      @ignored = names
    end
    private_class_method :ignore
  end
end
