# frozen_string_literal: true

require_relative "../wire/frame"
require_relative "../base/log"

module PhusionPassenger
  # Tells log and agent what a process failed with on its way to serving.
  module Failure
    # Half a frame each, at most.
    TEXT_LIMIT = 256 * 1024

    def self.report(control, event, step, error)
      # The backtrace goes with the report, which is logged, too.
      Log.event(event, step: step, exception: error.class.name, message: Log.message_of(error))
      control.write(Frame::Control::FAILED, step, error.class.name.to_s, cut(Log.message_of(error)), cut(Log.describe(error)))
    end

    def self.cut(text)
      text.byteslice(0, TEXT_LIMIT)
    end
    private_class_method :cut
  end
end
