# frozen_string_literal: true

require_relative "../wire/frame"
require_relative "../base/log"

module PhusionPassenger
  # Reports to the log and to the agent why a process cannot serve.
  module Failure
    # Bytes. Message and description have at most half a frame each.
    TEXT_LIMIT = 256 * 1024
    # The begin of Ruby's message.
    NO_THREAD = "can't create Thread"

    # Ends the process if Ruby could not make a thread. Ruby 3.3 then hangs in each call that may
    # wait, such as a write to the log (Ruby's bug 20779), but not in write_nonblock.
    def self.report(control, event, step, error)
      message = Log.message_of(error)
      fields = [step, error.class.name.to_s, cut(message), cut(Log.describe(error))]
      end_at_once(control, fields) if error.is_a?(ThreadError) && message.start_with?(NO_THREAD)
      # The event has no backtrace: the agent logs the report, which has it.
      Log.event(event, step: step, exception: error.class.name, message: message)
      control.write(Frame::Control::FAILED, *fields)
    end

    def self.end_at_once(control, fields)
      control.write_at_once(Frame::Control::FAILED, *fields)
    ensure
      exit!(1)
    end
    private_class_method :end_at_once

    def self.cut(text)
      text.byteslice(0, TEXT_LIMIT)
    end
    private_class_method :cut
  end
end
