# frozen_string_literal: true

module PhusionPassenger
  # Implements rack.hijack for a reply. The including class has @environment (nil at first),
  # @started, and take_over(), which returns the stream.
  module Hijacking
    # Returns the object for the environment's rack.hijack. That is the reply itself, so that a
    # request costs no further object.
    def hijacking(environment)
      @environment = environment
      self
    end

    # True if the request's environment has rack.hijack.
    def hijackable?
      !@environment.nil?
    end

    # A client that asked for no other protocol cannot understand the answer.
    def upgrade_wanted?
      @environment.key?("HTTP_UPGRADE")
    end

    def call
      @environment["rack.hijack_io"] ||= hijack
    end

    # From now on the application and the client exchange all bytes themselves. The application
    # writes the head, too.
    def hijack
      raise IOError, "the answer has begun: its connection can no longer be hijacked" if @started

      take_over
    end
  end
end
