# frozen_string_literal: true

require_relative "response_head"

module PhusionPassenger
  # The object in rack.early_hints. A call with headers sends them at once, in an answer with status
  # 103. Hints beyond the number that the httpd child passes on, and hints that cannot be sent, are
  # left out: they do not fail the answer.
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
