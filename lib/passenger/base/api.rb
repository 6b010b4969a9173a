# frozen_string_literal: true

require_relative "log"

# Phusion Passenger's API for Ruby beside the events of hooks.rb. doc/COMPATIBILITY.md says what
# each part does.
module PhusionPassenger
  # The version of Phusion Passenger whose API this is.
  VERSION_STRING = "6.0.17"

  # The application may require the files in this folder, as `phusion_passenger/rack/…`. It comes
  # last in $LOAD_PATH: a gem or an installed Phusion Passenger has files of the same names.
  PUBLIC_FILES = File.expand_path("../public", __dir__)
  private_constant :PUBLIC_FILES
  $LOAD_PATH << PUBLIC_FILES unless $LOAD_PATH.include?(PUBLIC_FILES)

  # What the application may know of its own start.
  module App
    COPIED = %w[app_group_name app_root base_uri environment spawn_method].freeze
    private_constant :COPIED

    class << self
      # A frozen Hash of Strings; empty before the application is loaded.
      attr_reader :options
    end
    @options = {}.freeze

    # `options` of the frame LOAD; the startup file's absolute path.
    def self.describe(options, startup_file)
      described = options.slice(*COPIED)
      described["app_env"] = described["environment"] if described["environment"]
      described["app_type"] = "ruby"
      described["base_uri"] = "/" if described.fetch("base_uri", "").empty?
      described["startup_file"] = startup_file
      @options = described.freeze
    end
  end

  # The functions of Phusion Passenger's native code that an application may call.
  module NativeSupport
    # Microseconds of processor time.
    ProcessTimes = Struct.new(:utime, :stime)

    def self.process_times
      times = Process.times
      ProcessTimes.new(*[times.utime, times.stime].map { |seconds| (seconds * 1_000_000).round })
    end

    # Both outputs write at once already.
    def self.disable_stdio_buffering; end
  end

  class << self
    # The instance does not read it: PassengerThreadCount tells how many requests it takes at once.
    attr_accessor :advertised_concurrency_level

    # There is no Union Station here.
    attr_accessor :union_station_key

    # Loads a file of Phusion Passenger's library. The file of another name is left out, with an
    # event: these files are that server's own.
    def require_passenger_lib(name)
      case name
      when "rack/out_of_band_gc" then require File.join(PUBLIC_FILES, "phusion_passenger", name)
      when "public_api", "constants", "native_support" then false
      else
        Log.event("library.unknown", file: name)
        false
      end
    end

    # Here no folder is to be found.
    def locate_directories; end

    # Frameworks need no extension.
    def install_framework_extensions!(_options = {}); end
  end
end
