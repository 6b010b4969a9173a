# frozen_string_literal: true

require_relative "support/integration_test"

# One id in all lines about a request: the module's log, the application's, and the access log. And
# the times that answers and applications are told.
class RequestIdsTest < IntegrationTest
  APPLICATION = <<~'RUBY'
    require "json"
    run(lambda do |env|
      raise "as asked" if env["PATH_INFO"] == "/raise"

      head = env["PATH_INFO"] == "/short" ? { "Content-Length" => "10" } : {}
      head["Server-Timing"] = "db;dur=5" if env["PATH_INFO"] == "/timed"
      sleep 0.05 if env["PATH_INFO"] == "/timed"
      [200, head, [JSON.generate(env.select { |_, value| value.is_a?(String) })]]
    end)
  RUBY
  NODE = <<~'JS'
    require("http").createServer((request, response) => {
      if (request.url === "/broken") return request.socket.destroy();
      response.end(JSON.stringify({ ...request.headers, id: request.passengerRequestId }));
    }).on("upgrade", (request, socket) => {
      const body = String(request.passengerRequestId);
      socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }).listen(process.env.PORT, "127.0.0.1");
  JS
  ASGI = <<~PYTHON
    import json

    async def application(scope, receive, send):
        assert scope["type"] != "lifespan" and scope["path"] != "/raise"
        body = json.dumps(scope["extensions"]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
  PYTHON
  PYTHON3 = "/usr/bin/python3"
  NODES = %w[node.test bridge.test].freeze
  FORMAT = "id=%{PASSENGER_REQUEST_ID}n app=%{PASSENGER_APP}n path=%U"
  TRACE = "0af7651916cd43dd8448eb211c80319c"
  PARENT = "00-#{TRACE}-b7ad6b7169203331-01"

  serve do |made|
    unique = File.join(TestEnvironment.modules_dir, "mod_unique_id.so")
    made.main_directives << "LoadModule unique_id_module \"#{unique}\"\n" \
                            "LogFormat \"#{FORMAT}\" ids\nCustomLog logs/ids.log ids\n"
    application = SampleApps.written(APPLICATION)
    made.site("rack.test", application, "SetEnv PASSENGER_REQUEST_ID forged\n")
    made.site("named.test", application,
              "RequestHeader setifempty X-Request-Id \"%{UNIQUE_ID}e\"\n")
    made.site("timed.test", application, "PassengerServerTiming on\nPassengerRequestStart on\n")
    made.site("node.test", SampleApps.written(NODE, "app.js"), "PassengerRequestStart on\n")
    made.site("bridge.test", SampleApps.written(NODE, "app.js"),
              "PassengerRequestStart on\nSetEnv PASSENGER_NATIVE off\n")
    made.site("asgi.test", SampleApps.written(ASGI, "passenger_asgi.py"),
              "PassengerPython #{PYTHON3}\n")
  end

  def test_the_id_of_the_header_is_in_the_environment_and_the_access_log
    environment = client.json("/header", "X-Request-Id" => "abc-1")
    assert_equal %w[abc-1 abc-1],
                 environment.values_at("PASSENGER_REQUEST_ID", "HTTP_X_REQUEST_ID")
    assert_match(%r{^id=abc-1 app=/.* \(production\) path=/header$}, access_line("/header"))
  end

  def test_the_id_of_the_trace_comes_before_httpds_own
    environment = client.json("/trace", "traceparent" => PARENT, "X-Request-Id" => "no id")
    assert_equal [TRACE, PARENT, "no id"],
                 environment.values_at("PASSENGER_REQUEST_ID", "HTTP_TRACEPARENT",
                                       "HTTP_X_REQUEST_ID")
    environment = client.json("/own")
    refute_nil environment["UNIQUE_ID"]
    assert_equal environment["UNIQUE_ID"], environment["PASSENGER_REQUEST_ID"]
    assert_nil environment["HTTP_X_REQUEST_ID"]
    assert_includes access_line("/own"), "id=#{environment['UNIQUE_ID']} "
  end

  def test_mod_headers_gives_the_application_httpds_id_as_a_header
    environment = client("named.test").json("/")
    assert_equal environment["UNIQUE_ID"], environment["HTTP_X_REQUEST_ID"]
    assert_equal environment["UNIQUE_ID"], environment["PASSENGER_REQUEST_ID"]
    asked = client("named.test").json("/", "X-Request-Id" => "abc-3")
    assert_equal "abc-3", asked["HTTP_X_REQUEST_ID"]
  end

  def test_the_lines_of_the_module_and_of_the_instance_have_the_id
    client.get("/short?1", "X-Request-Id" => "of-the-module")
    server.log.wait_for(/event=response.cut app=.* request=.*of-the-module/)
    assert_status 500, client.get("/raise", "X-Request-Id" => "of-the-instance")
    server.log.wait_for(/output: event=request.failed app=".*" request="of-the-instance" method=/)
  end

  def test_server_timing_stands_beside_the_applications_own
    timing = client("timed.test").get("/timed").get_fields("Server-Timing")
    assert_equal "db;dur=5", timing.first
    assert_match(/\Aqueue;dur=\d+\.\d, app;dur=\d+\.\d\z/, timing.last)
    assert_operator timing.last[/app;dur=(.*)/, 1].to_f, :>=, 50
    assert_equal ["db;dur=5"], client.get("/timed").get_fields("Server-Timing")
  end

  def test_the_application_learns_when_the_request_began_unless_a_proxy_has_told_it
    from = Time.now.to_f * 1_000_000
    started = client("timed.test").json("/")["HTTP_X_REQUEST_START"]
    assert_includes (from - 1)..(Time.now.to_f * 1_000_000), Float(started.delete_prefix("t="))
    proxys = client("timed.test").json("/", "X-Request-Start" => "t=1")
    assert_equal "t=1", proxys["HTTP_X_REQUEST_START"]
    assert_nil client.json("/")["HTTP_X_REQUEST_START"]
  end

  def test_node_gets_the_clients_headers_and_no_other
    NODES.each do |site|
      headers = node(site).json("/", "X-Request-Id" => "abc-2", "traceparent" => PARENT)
      assert_equal ["abc-2", PARENT], headers.values_at("x-request-id", "traceparent")
      assert_match(/\At=\d{16}\z/, headers["x-request-start"])
      refute node(site).json("/").key?("x-request-id")
    end
  end

  def test_a_request_of_node_has_the_id
    NODES.each do |site|
      assert_equal "abc-4", node(site).json("/", "X-Request-Id" => "abc-4")["id"]
      assert_equal TRACE, node(site).json("/", "traceparent" => PARENT)["id"]
      path = "/own/#{site}"
      own = node(site).json(path)["id"]
      refute_nil own
      assert_includes access_line(path), "id=#{own} "
      upgrade = { "Connection" => "Upgrade", "Upgrade" => "x", "X-Request-Id" => "abc-5" }
      raw = server.raw(site).request("GET", "/", upgrade)
      assert_equal "abc-5", raw.response.body
      raw.close
    end
  end

  def test_a_line_about_a_request_of_node_has_the_id
    NODES.each do |site|
      assert_status 502, node(site).post("/broken", "", "X-Request-Id" => "in.#{site}")
      server.log.wait_for(/output: event=answer.refused app=".*".* request="in.#{site}"/)
    end
  end

  def test_the_scope_and_the_lines_of_an_asgi_application_have_the_id
    skip "there is no #{PYTHON3}" unless File.executable?(PYTHON3)

    extensions = client("asgi.test").json("/", "X-Request-Id" => "abc-6")
    assert_equal({ "request_id" => "abc-6" }, extensions["passenger"])
    assert_status 500, client("asgi.test").get("/raise", "X-Request-Id" => "in-asgi")
    server.log.wait_for(/event=request.failed app=".*" request="in-asgi" method="GET" path=/)
    # It refuses the lifespan.
    server.log.wait_for(/event=app.lifespan_left_out app=".*" exception="AssertionError"/)
  end

  private

  def node(site)
    skip "no Node" unless system("command -v node > /dev/null")
    client(site)
  end

  def access_line(path)
    LogReader.new(File.join(server.folder, "logs/ids.log"))
      .wait_for(/path=#{Regexp.escape(path)}$/)
  end
end
