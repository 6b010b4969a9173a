# frozen_string_literal: true

require "rbconfig"
require_relative "log"

module PhusionPassenger
  # The parts of a request that cost most, in C (ext/ruby). Native code changes only the speed. Ruby
  # code does the same work if the native code was not built for this Ruby, or does not load.
  # PASSENGER_NATIVE=off turns native code off; any other value names its folder.
  module Native
    VERSION = 5
    NAME = "passenger_native"

    # Each Ruby version and architecture has a folder, because each has a C interface of its own.
    def self.folder_name
      "ruby-#{RbConfig::CONFIG['ruby_version']}-#{RbConfig::CONFIG['arch']}"
    end

    # In a build from a checkout, `native` stands beside the `lib` of the started program. That
    # `lib` may be a link to the `lib` of this file.
    def self.folders
      named = ENV.fetch("PASSENGER_NATIVE", nil)
      return [named] if named

      [File.dirname($PROGRAM_NAME), __dir__].map { |lib| File.expand_path("../../../native", lib) }
    end

    def self.load
      return false if ENV["PASSENGER_NATIVE"] == "off"

      file = folders.map { |folder| File.join(folder, folder_name, "#{NAME}.so") }
        .find { |path| File.file?(path) }
      return false unless file

      require file
      return true if INTERFACE == VERSION

      Log.event("native.other_version", file: file, version: INTERFACE, wanted: VERSION)
      false
    rescue LoadError
      false
    end
    private_class_method :folders, :load

    LOADED = load
  end
end
