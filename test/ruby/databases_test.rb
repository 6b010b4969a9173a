# frozen_string_literal: true

require_relative "test_helper"
require "passenger/app/databases"

module PhusionPassenger
  # Calls for each version of ActiveRecord. Fakes stand for versions that are not installed;
  # rails_test.rb uses the installed version.
  class DatabasesTest < TestCase
    # Records its calls.
    class Handler
      attr_reader :asked

      def initialize
        @asked = []
      end

      def clear_all_connections!(*roles)
        @asked << roles
      end
    end

    # The handler of Rails 6.1 and 7.0.
    class HandlerOfPools < Handler
      def all_connection_pools
        [self]
      end

      def disconnect!
        @asked << :disconnect
      end
    end

    def test_without_active_record_there_is_nothing_to_do
      skip "it is loaded" if defined?(::ActiveRecord)
      assert_nil Databases.disconnect
    end

    def test_from_rails_7_1_on_all_roles_have_a_name
      %w[7.1.0 7.2.2.2 8.0.0].each do |version|
        handler = Handler.new
        disconnect(version, connection_handler: handler)
        assert_equal [[:all]], handler.asked
      end
    end

    def test_rails_7_0_is_asked_for_its_pools
      handler = HandlerOfPools.new
      disconnect("7.0.8", connection_handler: handler, legacy_connection_handling: false)
      assert_equal [:disconnect], handler.asked
    end

    def test_each_role_s_handler_of_rails_6_is_asked
      { "6.1.7" => [HandlerOfPools, { legacy_connection_handling: true }],
        "6.0.6" => [Handler, {}] }.each do |version, (kind, more)|
        writing = kind.new
        reading = kind.new
        disconnect(version, connection_handler: writing,
                   connection_handlers: { writing: writing, reading: reading }, **more)
        assert_equal 1, writing.asked.size, version
        assert_equal writing.asked, reading.asked
      end
    end

    def test_rails_5_has_one_handler
      handler = Handler.new
      disconnect("5.2.8", connection_handler: handler)
      assert_equal [[]], handler.asked
    end

    private

    def disconnect(version, **methods)
      skip "it is loaded" if defined?(::ActiveRecord)
      base = Module.new { methods.each { |name, value| define_singleton_method(name) { value } } }
      played = Module.new { define_singleton_method(:version) { Gem::Version.new(version) } }
      played.const_set(:Base, base)
      Object.const_set(:ActiveRecord, played)
      Databases.disconnect
    ensure
      if played && defined?(::ActiveRecord) && ::ActiveRecord.equal?(played)
        Object.send(:remove_const, :ActiveRecord)
      end
    end
  end
end
