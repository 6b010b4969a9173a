# frozen_string_literal: true

require_relative "gemfile"

# PassengerPreloadBundler: an application's process requires this file first. Bundler then chooses
# the version of each library, even of those that Passenger needs (socket and its dependencies). A
# failure here happens again in the step "Bundler", which reports it.
if (app_root = ENV.delete("PASSENGER_PRELOAD_BUNDLER"))
  if !File.file?(File.join(app_root, "config/setup_load_paths.rb")) &&
     PhusionPassenger::Gemfile.choose(app_root)
    begin
      require "bundler"
      Bundler.setup
    rescue StandardError, LoadError
      Bundler.reset! if defined?(Bundler)
    end
  end
end
