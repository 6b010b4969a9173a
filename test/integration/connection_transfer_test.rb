# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/transfers"
require_relative "support/web_socket_client"

# Connections that applications take over, with their clients' own sockets: no thread of httpd holds
# them.
class ConnectionTransferTest < IntegrationTest
  include Transfers

  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze
  WSPROTO = system("/usr/bin/python3 -c 'import wsproto' >/dev/null 2>&1")
  NODE = <<~'JS'
    const HEAD = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: capitals";
    const answer = (request, response) => response.end(String(process.pid));
    const server = require("http").createServer(answer);
    let last = null;
    server.on("upgrade", (request, socket) => {
        socket.write(HEAD + "\r\n\r\n");
        socket.write("WELCOME\n");
        socket.on("data", (data) => socket.write(String(data).toUpperCase()));
        socket.on("error", () => {});
        last = socket;
    });
    process.once("SIGTERM", () => {
        server.close();
        server.closeAllConnections();
        last ? last.end("GOODBYE\n", () => process.exit(0)) : process.exit(0);
    });
    server.listen(process.env.PORT);
  JS
  PYTHON = <<~'PYTHON'
    async def application(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"here"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    break
                await send({"type": "websocket.send", "text": message["text"].upper()})
  PYTHON

  serve do |made|
    Transfers.set_up(made)
    one = "PassengerMaxInstances 1\nPassengerMinInstances 1\nCustomLog logs/access.log transfers\n"
    made.site("ruby.test", SampleApps.copy("hijack_app"), one)
    made.site("node.test", SampleApps.written(NODE, "app.js"), one)
    made.site("python.test", SampleApps.written(PYTHON, "passenger_asgi.py"),
              "#{one}PassengerAppType asgi\n")
    made.site("off.test", SampleApps.copy("hijack_app"), "#{one}PassengerTransferConnections off\n")
  end

  def test_a_hijacked_connection_holds_no_thread
    assert_hold_no_thread("ruby.test", ->(raw) { raw.request("GET", "/full").read_head }) do |raw|
      assert_equal "ONE\n", raw.write("one\n").read_bytes(4)
    end
  end

  def test_a_connection_after_httpd_s_head_holds_no_thread
    %w[/partial /upgrade].each do |path|
      opening = ->(raw) { raw.request("GET", path, UPGRADE).read_head }
      assert_hold_no_thread("ruby.test", opening) do |raw|
        assert_equal "ONE\n", raw.write("one\n").read_bytes(4)
      end
    end
  end

  def test_an_upgraded_connection_of_a_node_application_holds_no_thread
    opening = lambda do |raw|
      assert_equal 101, raw.request("GET", "/", UPGRADE).read_head.status
      assert_equal "WELCOME\n", raw.read_bytes(8)
    end
    assert_hold_no_thread("node.test", opening) do |raw|
      assert_equal "ONE\n", raw.write("one\n").read_bytes(4)
    end
  end

  def test_a_web_socket_of_an_asgi_application_holds_no_thread
    skip "the Python of this machine has no wsproto" unless WSPROTO
    sockets = Array.new(MANY) { WebSocketClient.new(server.port, "python.test", "/") }
    assert_equal([101], sockets.map(&:status).uniq)
    assert_equal "here", server.client("python.test").get("/").body
    assert_equal(["HELLO"], sockets.map { |socket| socket.say("hello").hear }.uniq)
    assert_equal ["X" * 500_000], sockets.map { |socket| socket.say("x" * 500_000).hear }.uniq
    sockets.each(&:close)
  end

  def test_connections_outlive_the_httpd_process_that_accepted_them
    raw = opened("ruby.test", "/upgrade")
    socket = opened("node.test", "/")
    socket.read_bytes(8)
    children = server.tree.httpd_children.map(&:pid)
    children.each { |pid| Process.kill(:KILL, pid) }
    eventually("another child") { (server.tree.httpd_children.map(&:pid) - children).any? }
    [raw, socket].each do |one|
      assert_equal "ONE\n", one.write("one\n").read_bytes(4)
      one.close
    end
  end

  # Node leaves sockets that were upgraded alone, and the application says goodbye itself.
  def test_a_node_application_closes_its_other_connections_first
    socket = opened("node.test", "/")
    socket.read_bytes(8)
    Process.kill(:TERM, Integer(server.client("node.test").get("/").body))
    assert_equal "GOODBYE\n", socket.read_bytes(8)
    socket.close
  end

  def test_the_access_log_tells_of_a_transfer_and_has_its_status
    opened("ruby.test", "/upgrade").close
    opened("off.test", "/upgrade_by_body").close
    wait_for_entries("/upgrade 101 1", "/upgrade_by_body 101 -")
  end

  def test_bytes_that_httpd_has_read_ahead_reach_the_application_by_a_thread
    raw = server.raw("ruby.test")
    raw.write("GET /upgrade HTTP/1.1\r\nHost: ruby.test\r\nConnection: Upgrade\r\n" \
              "Upgrade: capitals\r\n\r\none\ntwo\n")
    assert_equal 101, raw.read_head.status
    assert_equal "ONE\nTWO\n", raw.read_bytes(8)
    raw.close
  end

  def test_where_transfers_are_off_a_thread_passes_the_bytes_on
    raws = Array.new(THREADS - 1) { opened("off.test", "/upgrade") }
    surplus = server.raw("off.test")
    assert_equal 503, surplus.request("GET", "/upgrade", UPGRADE).read_head.status
    raws.each do |raw|
      assert_equal "ONE\n", raw.write("one\n").read_bytes(4)
      raw.close
    end
    surplus.close
  end

  # mod_dumpio stands for any filter of a connection that is not known.
  def test_where_a_filter_sees_the_bytes_a_thread_passes_them_on
    dumpio = File.join(TestEnvironment.modules_dir, "mod_dumpio.so")
    made = configuration do |one|
      one.main_directives << "LoadModule dumpio_module #{dumpio}\nDumpIOInput on\n" \
                             "LogLevel dumpio:trace7\n"
      one.site("ruby.test", SampleApps.copy("hijack_app"))
    end
    with_server(made) do |own|
      raw = opened("ruby.test", "/upgrade", own)
      assert_equal "SEEN\n", raw.write("seen\n").read_bytes(5)
      own.log.wait_for(/dumpio.*seen/)
      raw.close
    end
  end

  def test_connections_beyond_half_of_the_descriptors_stay_with_httpd
    root = SampleApps.copy("hijack_app")
    File.write(File.join(root, "config.ru"), "Process.setrlimit(:NOFILE, 100)\n", mode: "a")
    assert_connections_beyond_half_of_the_descriptors_stay_with_httpd(root) do |own|
      opened("few.test", "/upgrade", own)
    end
  end

  def test_the_application_learns_that_its_client_has_left
    raw = server.raw("ruby.test")
    raw.request("GET", "/keep").write("last words")
    # A request whose client leaves before does not begin.
    eventually("the take-over") { server.client("ruby.test").get("/kept").body == "true" }
    raw.close
    eventually("the end of file") do
      server.client("ruby.test").get("/left").body == "last words"
    end
  end

  private

  def opened(site, path, of = server)
    raw = of.raw(site)
    assert_equal 101, raw.request("GET", path, UPGRADE).read_head.status
    raw
  end

  # Opens connections, and calls the block with each.
  def assert_hold_no_thread(site, opening, &block)
    raws = Array.new(MANY) { server.raw(site).tap(&opening) }
    assert_equal 200, server.client(site).get("/").code.to_i
    raws.each(&block)
    raws.each(&:close)
  end
end
