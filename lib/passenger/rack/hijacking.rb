# frozen_string_literal: true

module PhusionPassenger
  # The part of a reply that is rack.hijack. The reply has @environment, which is nil at first, @started, and take_over, which returns the stream.
  module Hijacking
    # What the environment's rack.hijack is: the reply itself, so that what is seldom used costs no object.
    def hijacking(environment)
      @environment = environment
      self
    end

    # Whether it was offered.
    def hijackable?
      !@environment.nil?
    end

    # A client that did not ask for another protocol would take the answer for nonsense.
    def upgrade_wanted?
      @environment.key?("HTTP_UPGRADE")
    end

    def call
      @environment["rack.hijack_io"] ||= hijack
    end

    # All bytes between the application and the client, from now on, are theirs. The head is the application's, too.
    def hijack
      raise IOError, "the answer has begun: its connection cannot be hijacked any more" if @started

      take_over
    end
  end
end
