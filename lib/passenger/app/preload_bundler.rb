# frozen_string_literal: true

# PassengerPreloadBundler: what an application's process requires first. Bundler then decides even about the libraries that our own code
# needs (socket, and what comes with it). What fails here fails again in the step "Bundler", which reports it.
if (app_root = ENV.delete("PASSENGER_PRELOAD_BUNDLER"))
  gemfile = ENV["BUNDLE_GEMFILE"] || File.join(app_root, "Gemfile")
  if File.file?(gemfile)
    ENV["BUNDLE_GEMFILE"] = gemfile
    begin
      require "bundler"
      Bundler.setup
    rescue StandardError, LoadError
      Bundler.reset! if defined?(Bundler)
    end
  end
end
