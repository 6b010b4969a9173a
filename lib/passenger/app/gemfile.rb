# frozen_string_literal: true

module PhusionPassenger
  # The file that names the application's gems. It is loaded before Bundler chooses libraries, so it
  # needs none.
  module Gemfile
    # In Bundler's order.
    NAMES = %w[gems.rb Gemfile].freeze
    private_constant :NAMES

    # Sets BUNDLE_GEMFILE for Bundler, unless it is set. False: the folder has no such file, and
    # Bundler is not needed.
    def self.choose(folder)
      path = ENV["BUNDLE_GEMFILE"] || NAMES.map { |name| File.expand_path(name, folder) }
                                           .find { |found| File.file?(found) }
      return false unless path && File.file?(path)

      ENV["BUNDLE_GEMFILE"] = path
      true
    end
  end
end
