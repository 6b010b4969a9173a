# frozen_string_literal: true

require_relative "../wire/frame"
require_relative "../base/log"

module PhusionPassenger
  # Reports to the log and to the agent why a process cannot serve.
  module Failure
    # Bytes. Message and description have at most half a frame each.
    TEXT_LIMIT = 256 * 1024

    def self.report(control, event, step, error)
      # The event has no backtrace: the agent logs the report, which has it.
      Log.event(event, step: step, exception: error.class.name, message: Log.message_of(error))
      control.write(Frame::Control::FAILED, step, error.class.name.to_s, cut(Log.message_of(error)),
                    cut(Log.describe(error)))
    end

    def self.cut(text)
      text.byteslice(0, TEXT_LIMIT)
    end
    private_class_method :cut
  end
end
