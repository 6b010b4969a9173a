# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/web_socket_client"

# Connections that applications which speak HTTP upgrade: WebSockets, and any other protocol.
class HttpUpgradesTest < IntegrationTest
  COMMAND = "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\nPassengerMaxInstances 1\n"

  PYTHON = "/usr/bin/python3"

  WSGI = <<~PYTHON
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read() or b"nothing"]
  PYTHON

  serve do |made|
    made.set("PassengerMaxPoolSize", 4)
    made.site("express.test", SampleApps.copy("express_app"),
              "PassengerMaxInstances 1\nSetEnv NODE_PATH /usr/share/nodejs\n")
    made.site("port.test", SampleApps.copy("http_app"), COMMAND)
    made.site("rack.test", SampleApps.rack)
    made.site("wsgi.test", SampleApps.written(WSGI, "passenger_wsgi.py"),
              "PassengerPython #{PYTHON}\n")
    made.site("socket.test", SampleApps.copy("http_app"),
              COMMAND.sub(/"/, "\"SOCKET=$PASSENGER_SOCKET "))
  end

  WS = system("NODE_PATH=/usr/share/nodejs node -e 'require(\"ws\"), require(\"express\")' " \
              ">/dev/null 2>&1")
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze

  def test_a_web_socket_of_node_echoes
    skip "there is no ws (Debian: node-ws)" unless WS
    socket = WebSocketClient.new(server.port, "express.test", "/web_socket")
    assert_equal 101, socket.status
    assert_equal %w[HELLO AGAIN], %w[hello again].map { |text| socket.say(text).hear }
    assert_equal "X" * 1_000_000, socket.say("x" * 1_000_000).hear
    socket.close
    assert_equal "hello from Express", server.client("express.test").get("/").body
  end

  def test_an_upgraded_connection_begins_with_the_bytes_behind_the_head
    %w[port.test socket.test].each do |site|
      raw = server.raw(site)
      head = raw.request("GET", "/upgrade", UPGRADE).read_head
      assert_equal [101, "capitals", "Upgrade", "1"],
                   [head.status, *%w[Upgrade Connection X-Mark].map { |name| head[name] }]
      assert_equal "WELCOME\nONE\n", raw.write("one\n").read_bytes(12)
      raw.close_write
      assert_equal "GOODBYE\n", raw.read_bytes(8)
      assert raw.ended?
    end
  end

  def test_upgraded_connections_do_not_occupy_their_instance
    raws = Array.new(10) do
      server.raw("port.test").tap { |raw| raw.request("GET", "/upgrade", UPGRADE).read_head }
    end
    assert_match(/\Ahello from/, server.client("port.test").get("/").body)
    assert_equal(["WELCOME\n"], raws.map { |raw| raw.read_bytes(8) }.uniq)
    raws.each(&:close)
  end

  def test_an_upgrade_that_the_application_does_not_know_is_an_ordinary_request
    head = server.client("port.test").get("/head", UPGRADE)
    assert_equal "200", head.code
    assert_match(/^Connection: Upgrade\r\nUpgrade: capitals\r$/, head.body)
    assert_match(/\Ahello from/, server.client("port.test").get("/", UPGRADE).body)
  end

  def test_an_unknown_upgrade_is_an_ordinary_request_to_rack_and_wsgi
    [["websocket", "Upgrade"], ["h2c", "Upgrade, HTTP2-Settings"],
     ["capitals", "keep-alive, upgrade"], [nil, "upgrade"]].each do |protocol, connection|
      headers = { "Connection" => connection, "Upgrade" => protocol,
                  "Content-Length" => "4" }.compact
      { "rack.test" => "/body", "wsgi.test" => "/" }.each do |site, path|
        next if site == "wsgi.test" && !File.executable?(PYTHON)

        raw = server.raw(site)
        2.times do
          answer = raw.request("POST", path, headers).write("body").response
          assert_equal [200, "body", nil], [answer.status, answer.body, answer["Upgrade"]],
                       "#{site} #{headers}"
        end
        raw.close
      end
    end
  end

  def test_an_upgrade_to_http_or_tls_is_not_passed_on
    ["h2c", "capitals, h2c", "HTTP/2.0", "TLS/1.0"].each do |protocol|
      body = server.client("port.test").get("/head", UPGRADE.merge("Upgrade" => protocol)).body
      refute_match(/^(upgrade|connection):/i, body, protocol)
    end
    refute_match(/^(upgrade|connection):/i,
                 server.client("port.test").get("/head", "Upgrade" => "capitals").body)
  end

  def test_an_upgrade_that_the_client_did_not_request_is_a_bad_gateway
    assert_equal "502", server.client("port.test").get("/upgrade").code
    assert_match(/the client did not ask for/, server.log.wait_for(/answer\.refused/))
  end

  # The bridge has a part of them, and a busy machine may keep it from passing them on in time. A
  # request that the application had in work goes to its successor meanwhile.
  def test_a_slow_client_gets_the_last_bytes_of_an_application_that_ends
    %w[port.test socket.test].each do |site|
      in_one_of(3) do
        held = File.join(scratch, SecureRandom.hex(4))
        request = Thread.new { client(site).get("/hold?#{held}") }
        eventually("the request is in work") { File.exist?(held) }
        assert_equal(*written_and_read(site))
        assert_equal "held before", request.value.body
      end
    end
  end

  def test_a_client_learns_that_the_application_has_ended
    raw = server.raw("socket.test")
    raw.request("GET", "/upgrade", UPGRADE).read_head
    raw.read_bytes(8)
    Process.kill(:KILL, Integer(server.client("socket.test").get("/pid").body, 10))
    assert raw.ended?
    raw.close
    # Waits for the next process: a process that is stopped while it starts may leave its folder.
    assert_equal "200", server.client("socket.test").get("/").code
  end

  private

  # Returns how many bytes the application has written before it ended, and how many of them the
  # client gets, which reads none before.
  def written_and_read(site)
    told = File.join(scratch, SecureRandom.hex(4))
    from = server.log.position
    raw = server.raw(site)
    raw.request("GET", "/upgrade", UPGRADE).read_head
    raw.read_bytes(8)
    raw.write("end #{told}\n")
    server.log.wait_for(/event=application\.ended.*status="/, from: from)
    [Integer(File.read(told)), raw.read_to_end.bytesize]
  ensure
    raw&.close
  end
end
