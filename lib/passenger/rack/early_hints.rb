# frozen_string_literal: true

require_relative "response_head"

module PhusionPassenger
  # What rack.early_hints is: called with headers, it sends them at once, in a 103. More than the child would pass on, and what cannot be sent, are
  # left out: hints are not worth an answer.
  class EarlyHints
    STATUS = 103
    MOST = 16

    def initialize(reply)
      @reply = reply
      @sent = 0
    end

    def call(headers)
      return if @sent == MOST

      @sent += 1
      @reply.interim(STATUS, ResponseHead.build(headers))
    rescue BadResponse => e
      Log.event("early_hints.refused", reason: e.message)
    end
  end
end
