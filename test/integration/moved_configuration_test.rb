# frozen_string_literal: true

require "open3"
require_relative "support/integration_test"

# Lines that configurations for Phusion Passenger have, and that guides tell to write.
class MovedConfigurationTest < IntegrationTest
  LOCATIONS = "/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini"

  # The whole file of libapache2-mod-passenger 6.0.17+ds-1.
  DEBIAN_PASSENGER_CONF = <<~CONF
    <IfModule mod_passenger.c>
      PassengerRoot #{LOCATIONS}
      PassengerDefaultRuby /usr/bin/ruby
    </IfModule>
  CONF

  def test_a_site_is_served_under_the_passenger_conf_of_debian
    skip "there is no /usr/bin/ruby" unless File.executable?("/usr/bin/ruby")
    app = SampleApps.written("run proc { [200, {}, [RbConfig.ruby]] }")
    made = configuration do |one|
      one.set("PassengerDefaultRuby", nil)
      one.main_directives << DEBIAN_PASSENGER_CONF
      one.site("rack.test", app)
    end
    with_server(made) do |server|
      assert_equal File.realpath("/usr/bin/ruby"),
                   File.realpath(assert_status(200, server.client.get("/")).body)
      # So the lines within IfModule were read.
      assert_match(/PassengerRoot .* belongs to Phusion Passenger/,
                   server.log.text + File.read(File.join(server.folder, "logs/console.log")))
    end
  end

  def test_what_stands_within_if_module_has_an_effect
    output, status = checked("<IfModule mod_passenger.c>\nPassengerMaxPoolSize none\n</IfModule>")
    refute status.success?
    assert_includes output, 'PassengerMaxPoolSize does not take "none"'
  end

  def test_a_root_of_phusion_passenger_is_ignored_with_a_warning
    output, = checked("", "-c", "PassengerRoot #{LOCATIONS}")
    assert_match(/PassengerRoot "#{LOCATIONS}" belongs to Phusion Passenger, .*remove this line/,
                 output)
    refute_includes output, "#{LOCATIONS}\" is not the folder"
  end

  def test_kinds_and_numbers_of_threads_are_taken_as_there
    output, status = checked("PassengerAppType nodejs\nPassengerAppType meteor\n" \
                             "PassengerThreadCount 0\n")
    assert status.success?, output
    made = configuration do |one|
      one.site("rack.test", SampleApps.rack, "PassengerThreadCount 0\n")
    end
    with_server(made) { |server| assert_status 200, server.client.get("/") }
  end

  # Two servers: Phusion Passenger serves the one that asks for it.
  def test_a_node_application_may_say_which_server_is_passengers
    text = <<~JAVASCRIPT
      if (typeof PhusionPassenger !== "undefined") {
        PhusionPassenger.configure({ autoInstall: false });
      }
      const http = require("http");
      const saying = (text) => http.createServer((request, response) => response.end(text));
      saying("admin").listen(0, "127.0.0.1", () => saying("main").listen("passenger"));
    JAVASCRIPT
    made = configuration { |one| one.site("node.test", SampleApps.written(text, "app.js")) }
    with_server(made) { |server| assert_equal "main", server.client.get("/").body }
  end

  private

  # The output of `httpd -t`, and its status.
  def checked(lines, *options)
    made = configuration { |one| one.main_directives << "#{lines}\n" }
    server = HttpdServer.new(made)
    server.write_configuration
    Open3.capture2e(server.environment, *server.command(*options, "-t"), unsetenv_others: true)
  ensure
    server&.destroy
  end
end
