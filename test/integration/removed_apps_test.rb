# frozen_string_literal: true

require_relative "support/integration_test"

# Applications that no request can ask for after a reload.
class RemovedAppsTest < IntegrationTest
  PID = 'run proc { [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]] }'

  def test_an_application_whose_name_is_gone_ends
    with_server(made("PassengerAppGroupName former\n")) do |server|
      former = pid(server, "moved.test")
      stays = pid(server, "stays.test")
      server.graceful { |one| one.sites.last.directives = "PassengerAppGroupName latter\n" }
      eventually("the former instance has ended") { !File.exist?("/proc/#{former}") }
      server.log.wait_for(/event=app\.removed app="former" instances=1$/)
      refute_equal former, pid(server, "moved.test")
      server.graceful
      assert_equal stays, pid(server, "stays.test")
      assert_equal 1, server.log.count(/event=app\.removed/)
    end
  end

  # The application has its name still, and its instances serve on.
  def test_other_settings_end_no_instance
    with_server(made("PassengerMemoryLimit 300\n")) do |server|
      before = %w[moved.test stays.test].map { |host| pid(server, host) }
      server.graceful do |one|
        one.set("PassengerDefaultRuby", "/usr/bin/ruby3.1") if File.exist?("/usr/bin/ruby3.1")
        one.set("PassengerMaxLogLinesPerSecond", 50)
        one.sites.last.directives = "PassengerMemoryLimit 400\n"
      end
      assert_equal before, (%w[moved.test stays.test].map { |host| pid(server, host) })
      assert_equal 0, server.log.count(/event=app\.removed/)
    end
  end

  private

  def pid(server, host)
    Integer(server.client(host).get("/").body)
  end

  def made(directives)
    HttpdConfiguration.new.tap do |one|
      one.set("PassengerMinInstances", 1)
      one.site("stays.test", SampleApps.written(PID))
      one.site("moved.test", SampleApps.written(PID), directives)
    end
  end
end
