# frozen_string_literal: true

require_relative "backtraces"

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
      trap("QUIT") { Backtraces.print }
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
  end
end
