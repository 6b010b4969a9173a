# frozen_string_literal: true

require "json"
require_relative "support/integration_test"
require_relative "support/unharmed"

# Clients of one application read nothing. Its files may not grow any more, so that threads of httpd
# wait for the clients, long after the application has finished.
class AttackSlowClientsTest < IntegrationTest
  include Unharmed

  THREADS = 8
  MOST = 3
  # More than the client's window and the socket's buffer hold, and not more than httpd's child
  # keeps in memory: the application does not wait.
  ANSWER = 128 * 1024
  WINDOW = 8192

  serve do |made|
    made.mpm_settings = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\n" \
                        "MaxSpareThreads #{THREADS}\nThreadsPerChild #{THREADS}\n" \
                        "MaxRequestWorkers #{THREADS}\nMaxConnectionsPerChild 0"
    made.main_directives << "Timeout 300\nSendBufferSize 8192\n"
    made.set("PassengerMaxSlowClients", MOST)
    made.set("PassengerMaxDataBufferSizePerApp", 1)
    made.site("attacker.test", SampleApps.copy("attack_app"),
              "PassengerMinInstances 2\nPassengerMaxInstances 2\n")
    made.site("other.test", SampleApps.rack,
              "<Location /status>\nSetHandler passenger-status\nPassengerStatusDetails On\n" \
              "</Location>\n")
  end

  def setup
    skip "a child of prefork has one thread" if ENV["TEST_MPM"] == "prefork"
    @clients = []
    %w[attacker.test other.test].each { |site| assert_status 200, client(site).get("/hello") }
  end

  def teardown
    @clients&.each(&:close)
  end

  def test_slow_clients_of_one_application_leave_threads_to_others
    stalled_request(60 * 1024 * 1024)
    server.log.wait_for(/event=response\.not_buffered/)
    assert_unharmed(client("other.test"), "/hello") do
      stalled_request(ANSWER) while @clients.size <= 2 * THREADS
    end
    line = server.log.wait_for(/event=response\.client_cut/)
    assert_match(/directive=PassengerMaxSlowClients/, line)
    assert_status 200, client("other.test").get("/hello")
    # An answer or two may still find room in the files.
    eventually("the cut of most") { spool.fetch("clients_cut") > THREADS }
    assert_operator spool.fetch("app_refused"), :>, 0
    @clients.each(&:close)
    eventually("room for a client that reads") do
      client("attacker.test").get("/flood?bytes=#{ANSWER}").body.bytesize == ANSWER
    end
  end

  private

  def stalled_request(bytes)
    client = server.raw("attacker.test", window: WINDOW)
    @clients << client.request("GET", "/flood?bytes=#{bytes}")
  end

  def spool
    JSON.parse(client("other.test").get("/status?json").body).fetch("spool")
  end
end
