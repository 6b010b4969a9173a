# frozen_string_literal: true

require_relative "boot"

# Only the frameworks that the sample uses: no mail, jobs, cable or storage.
require "logger"
require "rails"
require "active_model/railtie"
require "active_record/railtie"
require "action_controller/railtie"
require "action_view/railtie"

Bundler.require(*Rails.groups)

module Sample
  # The sample application: the parts of a server that a browser, a form, a session and a database
  # need.
  class Application < Rails::Application
    config.load_defaults Rails::VERSION::STRING.to_f
    config.autoload_paths << root.join("lib")
    config.eager_load_paths << root.join("lib")
    config.log_level = ENV.fetch("RAILS_LOG_LEVEL", "warn").to_sym
    config.active_record.dump_schema_after_migration = false
    # Tests and benchmarks use any host name.
    config.hosts.clear
  end
end
