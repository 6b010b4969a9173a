# frozen_string_literal: true

# secret_key_base comes from ENV["SECRET_KEY_BASE"]: in httpd.conf, `SetEnv SECRET_KEY_BASE …`.
Rails.application.configure do
  config.cache_classes = true
  config.eager_load = true
  config.consider_all_requests_local = false
  config.action_controller.perform_caching = false
  # httpd serves the files in public/.
  config.public_file_server.enabled = false
  config.i18n.fallbacks = true
  config.active_support.deprecation = :notify
end
