# frozen_string_literal: true

require_relative "../base/log"

module PhusionPassenger
  # What an application leaves to be done when nobody waits for its answer any more: rack.after_reply, as other servers have it, and
  # rack.response_finished of Rack 3. No application of Rack 2 expects the latter, and its requests do without that array. One for an instance,
  # used by all its threads.
  class AfterReply
    # For the log.
    def self.request_of(environment)
      return {} unless environment

      { method: environment["REQUEST_METHOD"], path: "#{environment['SCRIPT_NAME']}#{environment['PATH_INFO']}" }
    end

    def initialize(rack_3)
      @rack_3 = rack_3
    end

    def offer(environment)
      environment["rack.after_reply"] = []
      environment["rack.response_finished"] = [] if @rack_3
    end

    # When the body was closed, in the request's thread. `status` and `headers` are what the application has answered, nil where it has not;
    # `error` is what kept that from being sent, or nil.
    def run(environment, status, headers, error)
      blocks = environment["rack.after_reply"]
      blocks.each { |block| guard("after_reply.failed", environment) { block.call } } unless blocks.nil? || blocks.empty?
      return unless @rack_3

      blocks = environment["rack.response_finished"]
      return if blocks.nil? || blocks.empty?

      # As middleware is left: what was added first comes last.
      blocks.reverse_each { |block| guard("response_finished.failed", environment) { block.call(environment, status, headers, error) } }
    end

    private

    # None keeps the next one from being called.
    def guard(event, environment)
      yield
    rescue Exception => e # rubocop:disable Lint/RescueException
      Log.exception(event, e, AfterReply.request_of(environment))
    end
  end
end
