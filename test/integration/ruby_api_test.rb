# frozen_string_literal: true

require_relative "support/integration_test"

# Applications that use the whole API of Phusion Passenger for Ruby at their start.
class RubyApiTest < IntegrationTest
  # The files of an installed Phusion Passenger are hidden. The body tells how often garbage was
  # collected between requests.
  COLLECTING = <<~'RUBY'
    $LOAD_PATH.reject! { |folder| File.exist?("#{folder}/phusion_passenger/public_api.rb") }
    %s
    PhusionPassenger.require_passenger_lib "utils/tmpio"
    raise "too old" unless PhusionPassenger::VERSION_STRING.start_with?("6.")

    PhusionPassenger::NativeSupport.disable_stdio_buffering
    options = PhusionPassenger::App.options.values_at("app_env", "base_uri", "startup_file")
    raise options.inspect unless options == ["production", "/", __FILE__]

    lines = []
    log = Object.new
    log.define_singleton_method(:info) { |line| lines << line }
    use PhusionPassenger::Rack::OutOfBandGc, strategy: :counting, frequency: 2, logger: log
    run ->(_env) { [200, { "Content-Type" => "text/plain" }, [lines.size.to_s]] }
  RUBY
  SITES = {
    "lib" => 'PhusionPassenger.require_passenger_lib "rack/out_of_band_gc"',
    "require" => 'require "phusion_passenger/rack/out_of_band_gc"'
  }.freeze

  serve do |made|
    SITES.each do |name, line|
      app = SampleApps.written(format(COLLECTING, line))
      %w[smart direct].each do |method|
        made.site("#{name}.#{method}.test", app,
                  "PassengerAppGroupName #{name}-#{method}\nPassengerSpawnMethod #{method}\n" \
                                                           "PassengerMaxInstances 1\n")
      end
    end
  end

  SITES.each_key do |name|
    %w[smart direct].each do |method|
      define_method("test_garbage_is_collected_between_requests_#{name}_#{method}") do
        raw = server.raw("#{name}.#{method}.test")
        answers = Array.new(5) { raw.get("/") }
        assert_equal %w[0 0 1 1 2], answers.map(&:body)
        answers.each { |answer| refute_match(/!~|oob/i, answer.headers.inspect) }
        app = "#{name}-#{method}"
        server.log.wait_for(%r{event=library\.unknown app="#{app}[^"]*" file="utils/tmpio"})
      ensure
        raw&.close
      end
    end
  end
end
