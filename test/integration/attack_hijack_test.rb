# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# An application takes connections over and never closes them. Each occupies a thread of httpd.
class AttackHijackTest < IntegrationTest
  include Unharmed

  THREADS = 64
  # Three quarters of them.
  MOST = 48
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

  NODE = system("node --version >/dev/null 2>&1")
  # Takes upgraded connections over, and begins event streams; ends neither of them.
  BOTH_KINDS = <<~JS
    require("http").createServer((request, response) => {
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        response.write("data: welcome\\n\\n");
    }).on("upgrade", (request, socket) => {
        socket.on("error", () => socket.destroy());
        socket.write("HTTP/1.1 101 Switching Protocols\\r\\n" +
                     "Connection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n");
    }).listen(3000);
  JS
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "websocket" }.freeze
  # Seven eighths of the threads.
  SHARE = 56
  SOCKETS = 40
  # More than the threads that are left. The other threads suffice for them.
  STREAMS = 20

  serve do |made|
    made.mpm_settings = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\n" \
                        "MaxSpareThreads #{THREADS}\nThreadsPerChild #{THREADS}\n" \
                        "MaxRequestWorkers #{THREADS}\nMaxConnectionsPerChild 0"
    status = File.join(TestEnvironment.modules_dir, "mod_status.so")
    made.main_directives << "LoadModule status_module #{status}\n" \
                            "<Location /server-status>\nSetHandler server-status\n</Location>\n"
    made.site("attacker.test", SampleApps.copy("attack_app"),
              "PassengerMinInstances 1\nPassengerTransferConnections off\n")
    if NODE
      made.site("both.test", SampleApps.written(BOTH_KINDS, "app.js"),
                "PassengerMinInstances 1\nPassengerTransferConnections off\n")
    end
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

  def test_connections_and_requests_of_one_application_have_one_share_of_the_threads
    needs_node
    assert_sockets_open_soon
    assert_equal({ 200 => SHARE - SOCKETS, 503 => STREAMS - SHARE + SOCKETS },
                 open_both(STREAMS).tally)
    assert_equal [503], open_both(1, UPGRADE)
    server.log.wait_for(/event=request\.refused .*: #{SHARE} requests and relayed connections/)
    assert_equal 200, server.client("other.test").get("/hello").code.to_i
    # Connections that have ended count no more.
    @clients.shift(SOCKETS).each(&:close)
    eventually("room for a stream") { open_both(1) == [200] }
    release
  end

  def test_connections_of_a_child_that_dies_count_no_more
    needs_node
    assert_sockets_open_soon
    server.tree.httpd_children.each { |process| Process.kill(:KILL, process.pid) }
    eventually("another child") { server.client("other.test").get("/hello").code == "200" }
    assert_equal [200] * STREAMS, open_both(STREAMS)
    release
  end

  def test_connections_count_after_the_death_of_the_pool_process
    needs_node
    assert_sockets_open_soon
    server.tree.matching(/passenger-agent\S* pool/).each { |pool| Process.kill(:KILL, pool.pid) }
    eventually("another pool process") { server.client("other.test").get("/hello").code == "200" }
    # Requests that the old pool process's queue still took are in that one's count.
    admitted = open_both(STREAMS).count(200)
    assert_operator admitted, :>=, SHARE - SOCKETS
    assert_equal 200, server.client("other.test").get("/hello").code.to_i
    assert_operator admitted, :<, STREAMS, "the connections do not count"
  end

  def test_clients_that_leave_free_their_threads_though_the_application_keeps_the_connections
    assert_held_soon
    assert_operator busy_threads, :>, MOST
    release
    # A connection whose client has gone ends when its application has been silent for a second.
    # Without that, TimeOut would end it after 20 seconds.
    eventually("free threads", within: 15) { busy_threads <= 1 }
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

  def needs_node
    skip "no Node" unless NODE
  end

  # The statuses of so many clients of the application with both kinds, which go on.
  def open_both(number, headers = {})
    Array.new(number) do
      client = server.raw("both.test")
      @clients << client
      client.request("GET", "/", headers).read_head.status
    end
  end

  # As assert_held_soon. The clients of earlier tests, too, count until httpd's threads have noticed
  # that they have left.
  def assert_sockets_open_soon
    eventually("free threads") { busy_threads <= 1 }
    attempts = Array.new(10) do |number|
      sleep 2 if number.positive?
      release
      statuses = open_both(SOCKETS, UPGRADE)
      return if statuses == [101] * SOCKETS

      release
      statuses.tally
    end
    flunk "the share was never free: #{attempts}"
  end

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
