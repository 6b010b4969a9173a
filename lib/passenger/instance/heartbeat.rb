# frozen_string_literal: true

require_relative "../wire/frame"

module PhusionPassenger
  # Tells the agent in an interval that Ruby runs threads (PassengerHeartbeatTimeout). Its thread
  # only sleeps and writes, whatever the application's threads do. The signs stop if a thread keeps
  # the interpreter's lock for good, or if the process is stopped.
  class Heartbeat
    # `interval`: milliseconds; 0: the agent wants no signs.
    def initialize(control, interval)
      @control = control
      @interval = interval / 1000.0
    end

    # An error in this thread neither ends the process nor keeps it from ending. Signs come once the
    # gate, a queue, is closed.
    def start(gate)
      return unless @interval.positive?

      Thread.new do
        Thread.current.name = "Passenger heartbeat"
        Thread.current.report_on_exception = false
        gate.pop
        beat
      end
    end

    private

    # Ends when the agent has gone, which the control thread notices.
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
