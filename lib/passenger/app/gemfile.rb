# frozen_string_literal: true

module PhusionPassenger
  # The file that names the application's gems. It is loaded before Bundler chooses libraries, so it
  # needs none.
  module Gemfile
    # In Bundler's order.
    NAMES = %w[gems.rb Gemfile].freeze
    private_constant :NAMES

    # Sets BUNDLE_GEMFILE for Bundler, unless it is set. False: the folder has no such file, and
    # Bundler is not needed. Bundler itself reports a missing BUNDLE_GEMFILE.
    def self.choose(folder)
      return true unless ENV.fetch("BUNDLE_GEMFILE", "").empty?

      path = NAMES.map { |name| File.expand_path(name, folder) }.find { |found| File.file?(found) }
      ENV["BUNDLE_GEMFILE"] = path if path
      !path.nil?
    end
  end
end
