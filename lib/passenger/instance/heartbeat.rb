# frozen_string_literal: true

require_relative "../wire/frame"

module PhusionPassenger
  # Tells the agent every now and then that Ruby runs threads, whatever the application's own are doing: a thread that only sleeps and
  # writes. Where one keeps Ruby's lock for good, or the process is stopped, no sign comes any more.
  class Heartbeat
    # `interval`: milliseconds; 0: none is wanted.
    def initialize(control, interval)
      @control = control
      @interval = interval / 1000.0
    end

    # Never ends the process, nor keeps it from ending.
    def start
      return unless @interval.positive?

      Thread.new do
        Thread.current.name = "Passenger heartbeat"
        Thread.current.report_on_exception = false
        beat
      end
    end

    private

    # Until nobody reads any more, which the control thread sees.
    def beat
      loop do
        sleep @interval
        @control.write_if_room(Frame::Control::HEARTBEAT)
      end
    rescue SystemCallError, IOError
      nil
    end
  end
end
