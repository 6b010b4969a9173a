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

  # Takes each connection over, and receives no client's socket.
  RECEIVES_NOTHING = <<~RUBY
    kept = []
    run(lambda do |env|
      PhusionPassenger::TransferredSocket.define_singleton_method(:receive) do |stream|
        kept << stream
        raise PhusionPassenger::ClientGone
      end
      env["rack.hijack"].call if env["PATH_INFO"] == "/take"
      [200, { "Content-Type" => "text/plain" }, ["\#{Process.pid} \#{kept.size}"]]
    end)
  RUBY
  # Of a process of httpd, and so of clients' sockets on their way from its user.
  DESCRIPTORS = 256
  INSTANCES = 3

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

  def test_clients_that_an_application_does_not_receive_take_no_room_from_others
    needs_root("the kernel counts descriptors on their way by user, and not those of root")
    made = configuration do |one|
      one.descriptor_limit = DESCRIPTORS
      one.site("greedy.test", SampleApps.written(RECEIVES_NOTHING),
               "PassengerSpawnMethod direct\nPassengerMinInstances #{INSTANCES}\n" \
               "PassengerMaxInstances #{INSTANCES}\n")
      one.site("other.test", SampleApps.copy("rack_app"), "PassengerMinInstances 1\n")
    end
    with_server(made) do |own|
      assert_equal 200, own.client("other.test").get("/hello").code.to_i
      eventually("#{DESCRIPTORS} connections that nobody receives") do
        takers = Array.new(20) { own.raw("greedy.test").request("GET", "/take") }
        kept = kept_by_all(own.client("greedy.test"))
        takers.each(&:close)
        kept > DESCRIPTORS
      end
      # Another child introduces itself to the agent with descriptors.
      own.tree.httpd_children.each { |process| Process.kill(:KILL, process.pid) }
      eventually("another child") { own.client("other.test").get("/hello").code == "200" }
      assert_empty own.log.text.lines.grep(/ETOOMANYREFS|Too many references/i)
    end
  end

  private

  # Asks until each instance has answered.
  def kept_by_all(client)
    kept = {}
    eventually("an answer of each instance") do
      answer = client.get("/")
      assert_status 200, answer
      pid, count = answer.body.split
      kept[pid] = Integer(count)
      kept.size == INSTANCES
    end
    kept.values.sum
  end

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
