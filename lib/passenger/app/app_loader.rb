# frozen_string_literal: true

require_relative "failure"
require_relative "gemfile"
require_relative "../wire/frame"
require_relative "../base/api"
require_relative "../base/monotonic_clock"

module PhusionPassenger
  # Loads the application that the Options describe, and reports each step on the control socket.
  class AppLoader
    ENVIRONMENT_NAMES = %w[RAILS_ENV RACK_ENV PASSENGER_APP_ENV].freeze

    # As with Phusion Passenger: Rails, rack-mini-profiler and others read them.
    BASE_URI_NAMES = %w[RAILS_RELATIVE_URL_ROOT PASSENGER_BASE_URI RACK_BASE_URI].freeze

    # Variables that a login shell sets for itself.
    SHELL_VARIABLES = %w[_ OLDPWD SHLVL].freeze

    # An application's own way to its gems, in place of Bundler, as in Phusion Passenger.
    LOAD_PATHS = "config/setup_load_paths.rb"

    # `exit` and syntax errors fail a step, too: a process whose application ends it must report
    # that.
    FAILURES = [Exception].freeze
    private_constant :FAILURES

    # Says which step failed; its cause is the exception of that step.
    class LoadFailed < StandardError
      attr_reader :step

      def initialize(step)
        super("the step \"#{step}\" failed")
        @step = step
      end
    end

    def initialize(control, options)
      @control = control
      @options = options
    end

    # Returns the Rack application. Returns nil if it cannot be loaded; the failure is then
    # reported.
    def load
      step("working directory") { prepare_environment }
      step("Bundler") { set_up_load_paths } if File.file?(LOAD_PATHS) || Gemfile.choose(Dir.pwd)
      step("app loaded") { load_rack_app }
    rescue LoadFailed => e
      Failure.report(@control, "app.load_failed", e.step, e.cause)
      nil
    end

    private

    def prepare_environment
      if @options["environment"]
        ENVIRONMENT_NAMES.each { |name| ENV[name] = @options["environment"] }
      end
      base_uri = @options.fetch("base_uri", "").chomp("/")
      BASE_URI_NAMES.each { |name| ENV[name] = base_uri } unless base_uri.empty?
      @options.each do |key, value|
        ENV[key.delete_prefix("env:")] = value if key.start_with?("env:")
      end
      SHELL_VARIABLES.each { |name| ENV.delete(name) }
      Dir.chdir(@options.fetch("app_root"))
      ENV["PWD"] = Dir.pwd
    end

    # Not `bundler/setup`: that ends the process if a gem is missing.
    def set_up_load_paths
      # Before Ruby 3.2 socket has loaded io-wait. That version must not bind the application,
      # unless Bundler has chosen it (PreloadBundler).
      Gem.loaded_specs.delete("io-wait") unless defined?(::Bundler)
      return require(File.expand_path(LOAD_PATHS)) if File.file?(LOAD_PATHS)

      require "bundler"
      Bundler.setup
    end

    def load_rack_app
      require "rack"
      startup_file = @options.fetch("startup_file", "")
      startup_file = "config.ru" if startup_file.empty?
      path = File.expand_path(startup_file)
      App.describe(@options, path)
      app = build(path)
      raise "#{startup_file} gives no application to run" unless app.respond_to?(:call)

      app
    end

    # The file has any name. `parse_file`, which Rack before 2.1 has alone, requires one without .ru
    # as a library. Rack 2 returns the application and its options, Rack 3 the application alone.
    def build(path)
      # PhusionPassenger::Rack is there, too, once an application has loaded out_of_band_gc.rb.
      builder = ::Rack::Builder
      by = builder.respond_to?(:load_file) ? :load_file : :parse_file
      built = builder.public_send(by, path)
      built.is_a?(Array) ? built.first : built
    end

    def step(name)
      started = MonotonicClock.now(:millisecond)
      @control.write(Frame::Control::STEP, name, "begin", 0)
      result = yield
      @control.write(Frame::Control::STEP, name, "done", milliseconds_since(started))
      result
    rescue SignalException
      raise # its end by a signal tells the agent that the application has not failed
    rescue *FAILURES
      @control.write_at_once(Frame::Control::STEP, name, "failed", milliseconds_since(started))
      raise LoadFailed, name
    end

    def milliseconds_since(started)
      MonotonicClock.now(:millisecond) - started
    end
  end
end
