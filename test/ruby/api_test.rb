# frozen_string_literal: true

require_relative "rack_test_case"
require "open3"

module PhusionPassenger
  # Phusion Passenger's API beside its events.
  class ApiTest < RackTestCase
    API = File.join(LIBRARY, "base/api.rb")

    # Keeps what it is told.
    class Told
      attr_reader :lines

      def initialize
        @lines = []
      end

      def info(line)
        @lines << line
      end
    end

    def test_garbage_is_collected_after_each_answer_that_completes_the_number
      assert_collects(strategy: :counting, frequency: 2)
      assert_collects(2)
    end

    def test_garbage_is_collected_also_where_the_application_has_switched_that_off
      app = made(->(_env) { [200, {}, ["ok"]] }, 1, Told.new)
      GC.disable
      before = GC.count
      call(app)
      assert_operator GC.count, :>, before
      assert GC.enable, "the garbage collection was switched on"
    ensure
      GC.enable
      clear_hooks
    end

    def test_the_application_s_headers_may_be_frozen
      assert_equal({ "A" => "1", "!~request-oob-work" => "true" },
                   made(->(_env) { [200, { "A" => "1" }.freeze, []] }, 1).call({})[1])
    ensure
      clear_hooks
    end

    def test_the_middleware_refuses_options_that_it_does_not_know
      { [{}] => "strategy nil", [{ strategy: :other }] => ":other", [0] => "frequency 0",
        [{ strategy: :counting }] => "frequency nil" }.each do |options, words|
        error = assert_raises(ArgumentError) { made(nil, *options) }
        assert_includes error.message, words
      end
      error = assert_raises(RuntimeError) { made(nil, strategy: :gctools_oobgc) }
      assert_includes error.message, 'require "gctools/oobgc"'
    end

    def test_the_strategy_of_gctools_asks_the_gem
      asked = []
      gem = Module.new
      gem.define_singleton_method(:dry_run) { asked << :dry_run }
      gem.define_singleton_method(:run) { asked << :run }
      GC.const_set(:OOB, gem)
      call(made(->(_env) { [200, {}, ["ok"]] }, strategy: :gctools_oobgc))
      assert_equal %i[dry_run run], asked
    ensure
      GC.send(:remove_const, :OOB)
      clear_hooks
    end

    def test_files_that_other_servers_have_are_an_event_and_no_error
      log = logged { refute PhusionPassenger.require_passenger_lib("utils/tmpio") }
      assert_equal "event=library.unknown file=\"utils/tmpio\"\n", log
      assert_empty(logged do
        %w[public_api constants native_support].each do |name|
          refute PhusionPassenger.require_passenger_lib(name)
        end
      end)
    end

    # Without the folders of an installed Phusion Passenger.
    def test_require_finds_the_public_files
      output, status = Open3.capture2e(RbConfig.ruby, "-w", "-e", <<~RUBY, API)
        $LOAD_PATH.reject! { |folder| File.exist?(File.join(folder, "phusion_passenger.rb")) }
        require ARGV.first
        require "phusion_passenger"
        PhusionPassenger.locate_directories
        require "phusion_passenger/rack/out_of_band_gc"
        PhusionPassenger.require_passenger_lib "rack/out_of_band_gc"
        print PhusionPassenger::Rack::OutOfBandGc.name
      RUBY
      assert_equal ["PhusionPassenger::Rack::OutOfBandGc", true], [output, status.success?]
    end

    def test_the_application_knows_how_it_was_started
      App.describe({ "app_root" => "/app", "environment" => "staging", "base_uri" => "",
                     "spawn_method" => "smart", "env:SECRET" => "x", "ruby" => "/usr/bin/ruby" },
                   "/app/config.ru")
      assert_equal({ "app_root" => "/app", "environment" => "staging", "app_env" => "staging",
                     "base_uri" => "/", "spawn_method" => "smart", "app_type" => "ruby",
                     "startup_file" => "/app/config.ru" }, App.options)
    ensure
      App.describe({}, nil)
    end

    def test_applications_can_call_the_functions_of_the_native_code
      NativeSupport.disable_stdio_buffering
      microseconds = Process.times.utime * 1_000_000
      assert_in_delta microseconds, NativeSupport.process_times.utime, 10_000_000
      assert_kind_of Integer, NativeSupport.process_times.stime
      assert_equal 3, Gem::Version.new(VERSION_STRING).segments.size
    end

    def test_the_other_methods_of_the_api_are_accepted
      PhusionPassenger.install_framework_extensions!
      PhusionPassenger.install_framework_extensions!(log: false)
      PhusionPassenger.advertised_concurrency_level = 4
      assert_equal 4, PhusionPassenger.advertised_concurrency_level
      PhusionPassenger.union_station_key = "key"
      assert_equal "key", PhusionPassenger.union_station_key
    ensure
      PhusionPassenger.advertised_concurrency_level = PhusionPassenger.union_station_key = nil
    end

    private

    def made(app, *options)
      PhusionPassenger.require_passenger_lib "rack/out_of_band_gc"
      PhusionPassenger::Rack::OutOfBandGc.new(app, *options)
    end

    def clear_hooks
      Hooks.instance_variable_get(:@blocks).clear
    end

    # `options` ask for a collection after each second request.
    def assert_collects(options)
      told = Told.new
      during = []
      app = ->(_env) { [200, {}, ["ok"].tap { during << told.lines.size }] }
      app = options.is_a?(Hash) ? made(app, options.merge(logger: told)) : made(app, options, told)
      before = GC.count
      4.times { assert_equal [:respond, 200, "", "ok", true], call(app).calls.last }
      assert_equal [0, 0, 1, 1], during
      assert_equal 2, told.lines.grep(/\AOut Of Band GC finished in [\d.e-]+ sec\z/).size
      assert_operator GC.count, :>=, before + 2
    ensure
      clear_hooks
    end
  end
end
