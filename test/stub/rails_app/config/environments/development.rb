# frozen_string_literal: true

Rails.application.configure do
  config.cache_classes = false
  config.eager_load = false
  config.consider_all_requests_local = true
  config.active_record.migration_error = false
  # The evented watcher would need the gem "listen".
  config.file_watcher = ActiveSupport::FileUpdateChecker
end
