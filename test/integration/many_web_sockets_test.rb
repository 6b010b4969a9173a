# frozen_string_literal: true

require_relative "support/integration_test"

# A thousand connections that applications have taken over, most of them silent.
class ManyWebSocketsTest < IntegrationTest
  COUNT = 1_000
  MPM = "StartServers 1\nServerLimit 1\nThreadLimit 1200\nThreadsPerChild 1200\n" \
        "MaxRequestWorkers 1200\nMaxConnectionsPerChild 0"
  # Bytes for each connection, in all processes but the application's. doc/OPERATIONS.md has
  # measurements.
  MEMORY_OF_ONE = 64 * 1024
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze

  def test_a_thousand_idle_web_sockets_need_little_memory_and_no_threads
    made = configuration do |one|
      one.mpm = "event"
      one.mpm_settings = MPM
      one.set("PassengerMaxPoolSize", 2)
      one.set("PassengerMaxHijackedConnections", COUNT)
      one.site("http.test", SampleApps.copy("http_app"),
               "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\nPassengerMaxInstances 1\n")
    end
    with_server(made) do |server|
      pid = server.client("http.test").get("/pid").body
      raws = []
      _, growth = MemorySampler.new(server.tree).during { COUNT.times { raws << upgraded(server) } }
      assert_equal pid, server.client("http.test").get("/pid").body
      assert_equal("ONE\n", raws.values_at(0, COUNT / 2, -1)
                     .map { |raw| raw.write("one\n").read_bytes(4) }.uniq.join)
      ours = growth.select { |process, _| process.match?(/apache2|httpd|passenger-agent/) }
      assert_operator ours.values.sum, :<, MEMORY_OF_ONE * COUNT
      raws.each(&:close)
      eventually("all threads free") do
        server.client("http.test").get("/pid").code == "200"
      end
    end
  end

  private

  def upgraded(server)
    raw = server.raw("http.test")
    assert_equal 101, raw.request("GET", "/upgrade", UPGRADE).read_head.status
    assert_equal "WELCOME\n", raw.read_bytes(8)
    raw
  end
end
