# frozen_string_literal: true

require "rbconfig"

module PhusionPassenger
  # What costs most of a request, in C (ext/ruby). It is a matter of speed alone: where it was not built for this Ruby, or cannot be
  # loaded, Ruby code does the same. PASSENGER_NATIVE=off does without it, another value names the folder.
  module Native
    VERSION = 3
    NAME = "passenger_native"

    # Each Ruby that promises its own C interface has a folder.
    def self.folder_name
      "ruby-#{RbConfig::CONFIG['ruby_version']}-#{RbConfig::CONFIG['arch']}"
    end

    # Built from a checkout, `native` is beside the lib that the program was started from, which may be a link to this one.
    def self.folders
      named = ENV.fetch("PASSENGER_NATIVE", nil)
      return [named] if named

      [File.dirname($PROGRAM_NAME), __dir__].map { |lib| File.expand_path("../../../native", lib) }
    end

    def self.load
      return false if ENV["PASSENGER_NATIVE"] == "off"

      file = folders.map { |folder| File.join(folder, folder_name, "#{NAME}.so") }.find { |path| File.file?(path) }
      return false unless file

      require file
      INTERFACE == VERSION
    rescue LoadError
      false
    end
    private_class_method :folders, :load

    LOADED = load
  end
end
