# frozen_string_literal: true

require_relative "../rack/rack_adapter"

module PhusionPassenger
  # The RackAdapter of requests whose environment is already a Hash and whose body has come.
  class HttpAdapter < RackAdapter
    def initialize(app)
      super(app, 1)
    end

    # The variables of all environments.
    def template
      Hash[*@server_pairs].merge("SCRIPT_NAME" => "", "SERVER_SOFTWARE" => "passenger-prefork")
    end

    private

    def environment_from(environment, input, reply)
      environment["rack.input"] = input
      @after_reply.offer(environment)
      environment["rack.early_hints"] = EarlyHints.new(reply) if @early_hints
      environment["rack.hijack"] = reply.hijacking(environment)
      environment
    end
  end
end
