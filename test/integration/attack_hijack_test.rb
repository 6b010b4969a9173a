# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# An application takes connections over and never closes them. Each occupies a thread of httpd.
class AttackHijackTest < IntegrationTest
  include Unharmed

  THREADS = 64
  # Three quarters of them.
  MOST = 48
  # Seconds. A connection whose client has gone ends when its application has been silent for one.
  SOON = 1.5

  serve do |made|
    made.mpm_settings = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\n" \
                        "MaxSpareThreads #{THREADS}\nThreadsPerChild #{THREADS}\n" \
                        "MaxRequestWorkers #{THREADS}\nMaxConnectionsPerChild 0"
    status = File.join(TestEnvironment.modules_dir, "mod_status.so")
    made.main_directives << "LoadModule status_module #{status}\n" \
                            "<Location /server-status>\nSetHandler server-status\n</Location>\n"
    made.site("attacker.test", SampleApps.copy("attack_app"),
              "PassengerMinInstances 1\nPassengerTransferConnections off\n")
    made.site("other.test", SampleApps.copy("rack_app"), "PassengerMinInstances 1\n")
  end

  def setup
    skip "a child of prefork has one thread" if ENV["TEST_MPM"] == "prefork"
    @clients = []
  end

  def teardown
    @clients.each(&:close)
  end

  def test_three_quarters_of_the_threads_may_be_taken_over_by_one_application
    assert_held_soon
    surplus = server.raw("attacker.test")
    answer = surplus.get("/hold")
    assert_equal 503, answer.status
    refute_nil answer["Retry-After"]
    surplus.close
    assert_match(/#{MOST} connections of this httpd process.*PassengerMaxHijackedConnections/,
                 server.log.wait_for(/PassengerMaxHijackedConnections/))
    assert_equal 200, server.client("other.test").get("/hello").code.to_i
  end

  def test_clients_that_leave_free_their_threads_though_the_application_keeps_the_connections
    assert_seconds_below(SOON, "the end of all connections") do
      assert_held_soon
      assert_operator busy_threads, :>, MOST
      seconds do
        release
        eventually("free threads") { busy_threads <= 1 }
      end
    end
    assert_equal 200, server.client("other.test").get("/hello").code.to_i
  end

  def test_connections_that_are_taken_over_harm_no_other_application
    assert_unharmed(server.client("other.test"), "/hello") do
      assert_held_soon
      release
    end
  end

  private

  # With the one that answers this.
  def busy_threads
    server.client("other.test").get("/server-status?auto").body[/^BusyWorkers: (\d+)/, 1].to_i
  end

  # All places can be taken a moment after earlier connections have been closed. An attempt that
  # fails takes some of them.
  def assert_held_soon
    attempts = Array.new(10) do |number|
      sleep 2 if number.positive?
      statuses = hold
      return if statuses == [200] * MOST

      release
      statuses
    end
    flunk "the places were never free: #{attempts}"
  end

  # The statuses of requests whose connections the application takes over.
  def hold
    Array.new(MOST) do
      client = server.raw("attacker.test")
      @clients << client
      client.request("GET", "/hold").read_head.status
    end
  end

  def release
    @clients.each(&:close)
    @clients.clear
  end
end
