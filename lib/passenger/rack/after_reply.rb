# frozen_string_literal: true

require_relative "../base/hooks"
require_relative "../base/log"

module PhusionPassenger
  # Runs the application's blocks that are due after its answer: rack.after_reply, as other servers
  # have it, rack.response_finished of Rack 3, and the event oob_work. Applications of Rack 2 do not
  # expect rack.response_finished, so their requests have no array for it. An instance has one
  # AfterReply for all its threads.
  class AfterReply
    # Fields for a log event.
    def self.request_of(environment)
      return {} unless environment

      { request: environment["PASSENGER_REQUEST_ID"], method: environment["REQUEST_METHOD"],
        path: "#{environment['SCRIPT_NAME']}#{environment['PATH_INFO']}" }.compact
    end

    def initialize(rack_3)
      @rack_3 = rack_3
    end

    def offer(environment)
      environment["rack.after_reply"] = []
      environment["rack.response_finished"] = [] if @rack_3
    end

    # Called in the request's thread after the body was closed. `status` and `headers` are the
    # application's, or nil if it has not answered. `error` is the exception that kept the answer
    # from being sent, or nil.
    def run(environment, status, headers, error)
      # The application may have put anything in place of the arrays and the headers.
      guard("after_reply.failed", environment) { run_after_reply(environment) }
      guard("response_finished.failed", environment) do
        run_response_finished(environment, status, headers, error) if @rack_3
      end
      guard("after_reply.failed", environment) do
        Hooks.call_all(:oob_work) if Hooks.any?(:oob_work) && oob_work_wanted?(headers)
      end
    end

    private

    def run_after_reply(environment)
      blocks = environment["rack.after_reply"]
      return if blocks.nil? || blocks.empty?

      blocks.each { |block| guard("after_reply.failed", environment) { block.call } }
    end

    def run_response_finished(environment, status, headers, error)
      blocks = environment["rack.response_finished"]
      return if blocks.nil? || blocks.empty?

      # In reverse order, as Rack 3 demands.
      blocks.reverse_each do |block|
        guard("response_finished.failed", environment) do
          block.call(environment, status, headers, error)
        end
      end
    end

    def oob_work_wanted?(headers)
      headers&.any? { |name, _value| Hooks::OOB_WORK_HEADERS.include?(name.to_s.downcase) }
    end

    # A block that raises does not keep the next one from being called.
    def guard(event, environment)
      yield
    rescue Exception => e # rubocop:disable Lint/RescueException
      Log.exception(event, e, AfterReply.request_of(environment))
    end
  end
end
