# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/web_socket_client"

# Connections that an application takes over: by rack.hijack with its own head, by rack.hijack after
# the server's head, and by an upgrade.
class HijackTest < IntegrationTest
  # One instance with one thread, so that a connection that keeps the thread shows. Debian's limits
  # for slow requests, but shorter.
  serve do |made|
    reqtimeout = File.join(TestEnvironment.modules_dir, "mod_reqtimeout.so")
    made.main_directives << "LoadModule reqtimeout_module #{reqtimeout}\n" \
                            "RequestReadTimeout header=60 body=1\nKeepAliveTimeout 60\n"
    made.site("hijack.test", SampleApps.copy("hijack_app"),
              "PassengerMaxInstances 1\nPassengerMinInstances 1\n" \
                                                            "Header always set X-From-Httpd yes\n")
  end

  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze

  def setup
    @raw = server.raw
  end

  def teardown
    @raw.close
  end

  def test_a_web_socket_echoes
    socket = web_socket
    assert_equal %w[HELLO AGAIN], %w[hello again].map { |text| socket.say(text).hear }
    assert_equal "X" * 1_000_000, socket.say("x" * 1_000_000).hear
    socket.close
  end

  def test_a_web_socket_over_tls_echoes
    made = configuration do |one|
      one.tls_port = UnusedPort.find
      one.site("secure.test", SampleApps.copy("hijack_app"), "", tls: true)
    end
    with_server(made) do |own|
      socket = WebSocketClient.new(made.tls_port, "secure.test", "/web_socket", tls: true)
      assert_equal %w[HELLO AGAIN], %w[hello again].map { |text| socket.say(text).hear }
      assert_equal "X" * 1_000_000, socket.say("x" * 1_000_000).hear
      socket.close
      assert_equal 200, own.client("secure.test", tls: true).get("/").code.to_i
    end
  end

  def test_thirty_web_sockets_leave_their_only_instance_s_thread_free
    sockets = Array.new(30) { web_socket }
    pid = server.client.pid
    assert_equal(["HELLO"], sockets.map { |socket| socket.say("hello").hear }.uniq)
    assert_equal pid, server.client.pid
    sockets.each(&:close)
  end

  def test_a_silent_connection_outlasts_the_time_limit_for_bodies
    socket = web_socket
    sleep 2
    assert_equal "HELLO", socket.say("hello").hear
    socket.close
  end

  def test_an_application_upgrades_after_the_servers_head
    fields = %w[Upgrade Connection X-Mark X-From-Httpd]
    %w[/upgrade /upgrade_by_body].each do |path|
      raw = server.raw
      head = raw.request("GET", path, UPGRADE).read_head
      assert_equal [101, "capitals", "Upgrade", "1", nil],
                   [head.status, *fields.map { |name| head[name] }]
      assert_capitals(raw)
      raw.close
    end
  end

  def test_an_upgrade_that_the_client_did_not_request_is_a_bad_gateway
    [{}, { "Upgrade" => "capitals" }, { "Upgrade" => "capitals", "Connection" => "keep-alive" },
     { "Connection" => "Upgrade" }].each do |headers|
      %w[/upgrade /upgrade_by_body].each do |path|
        answer = @raw.get(path, headers)
        assert_equal [502, nil, nil], [answer.status, answer["Upgrade"], answer["X-Mark"]],
                     "#{path} #{headers}"
        assert_equal 200, @raw.get("/").status
      end
    end
    assert_match(/the client did not ask for/, server.log.wait_for(/response\.refused/))
    assert_match(/the client did not ask for/, server.log.wait_for(/request\.failed.*502/))
  end

  def test_a_stream_begins_with_the_application_s_head
    head = @raw.request("GET", "/full").read_head
    assert_equal [200, nil], [head.status, head["X-Powered-By"]]
    assert_capitals(@raw)
  end

  def test_a_stream_follows_the_servers_head
    head = @raw.request("GET", "/partial").read_head
    assert_equal [200, "close", nil, "yes"],
                 [head.status, *%w[Connection Transfer-Encoding
                                   X-From-Httpd].map { |name| head[name] }]
    assert_capitals(@raw)
  end

  def test_bytes_behind_the_request_reach_the_application
    @raw.write("GET /full HTTP/1.1\r\nHost: hijack.test\r\n\r\none\ntwo\n")
    @raw.read_head
    assert_equal "ONE\nTWO\n", @raw.read_bytes(8)
  end

  def test_a_client_that_closes_its_side_gets_the_rest
    @raw.request("GET", "/partial").read_head
    @raw.write("one\n").close_write
    assert_equal "ONE\nGOODBYE\n", @raw.read_bytes(12)
    assert @raw.ended?
  end

  def test_chunks_of_the_application_arrive_unchanged
    response = @raw.request("GET", "/chunks").response
    assert_equal [200, "chunked", "one"],
                 [response.status, response["Transfer-Encoding"], response.body]
  end

  def test_the_application_reads_the_end_when_the_client_leaves
    @raw.request("GET", "/keep").write("last words")
    # A request whose client leaves before does not begin.
    eventually("the take-over") { server.client.get("/kept").body == "true" }
    @raw.close
    eventually("the end of file") { server.client.get("/left").body == "last words" }
  end

  def test_a_client_that_does_not_read_delays_no_other
    @raw.request("GET", "/unread").read_head
    assert_equal 200, server.client.get("/").code.to_i
    assert_equal 50_000_000, @raw.read_bytes(50_000_000).bytesize
  end

  def test_an_exception_after_the_hijack_ends_the_connection
    @raw.request("GET", "/raise")
    assert @raw.ended?
    assert_match(/changed its mind/, server.log.wait_for(/request\.failed.*changed its mind/))
  end

  def test_an_answered_request_cannot_be_hijacked
    assert_equal "late\n", @raw.get("/late").body
    assert_match(/can no longer be hijacked/, server.log.wait_for(/after_reply\.failed/))
    assert_equal 200, @raw.get("/").status
  end

  def test_web_sockets_survive_a_graceful_reload
    with_server(configuration { |made| made.site("hijack.test",
                                                 SampleApps.copy("hijack_app")) }) do |own|
      socket = WebSocketClient.new(own.port, "hijack.test", "/web_socket")
      own.graceful
      assert_equal "HELLO", socket.say("hello").hear
      socket.close
    end
  end

  def test_a_stop_of_httpd_ends_web_sockets
    with_server(configuration { |made| made.site("hijack.test",
                                                 SampleApps.copy("hijack_app")) }) do |own|
      socket = WebSocketClient.new(own.port, "hijack.test", "/web_socket")
      own.stop
      assert_predicate socket, :ended?
    end
  end

  private

  def web_socket
    WebSocketClient.new(server.port, "hijack.test", "/web_socket").tap do |socket|
      assert_equal 101, socket.status
    end
  end

  def assert_capitals(raw)
    assert_equal "ONE\n", raw.write("one\n").read_bytes(4)
    assert_equal "TWO\n", raw.write("two\n").read_bytes(4)
    raw.close_write
    assert_equal "GOODBYE\n", raw.read_bytes(8)
    assert raw.ended?
  end
end
