# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/transfers"

# WebSockets and event streams of programs behind a bridge (PassengerAppStartCommand): the bridge
# has their clients' own sockets, and no thread of httpd holds them.
class CommandTransferTest < IntegrationTest
  include Transfers

  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze
  # Of the tests, unless NODE names another one.
  NODE_PROGRAM = `which node`.chomp
  UVICORN = system("/usr/bin/python3 -c 'import uvicorn' >/dev/null 2>&1")
  PROGRAM = "#{NODE}#{<<~'JS'}".freeze
    const upgraded = new Set();
    Object.assign(routes, {
        "/count": (request, response) => response.end(`${listening.size} ${upgraded.size}`),
        "/broken": (request, response) => {
            response.writeHead(200, events);
            response.write("data: begun\n\n");
            setTimeout(() => request.socket.destroy(), 100);
        },
        "/measured": (request, response) => {
            response.writeHead(200, { ...events, "Content-Length": 9 });
            response.write("data: ");
            setTimeout(() => response.end("1\n\n"), 50);
        },
    });
    const server = require("http").createServer((request, response) => {
        const route = routes[request.url];
        route ? route(request, response) : response.end("here");
    });
    server.on("upgrade", (request, socket) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
            "Upgrade: capitals\r\n\r\nWELCOME\n");
        upgraded.add(socket);
        socket.on("data", (data) => socket.write(String(data).toUpperCase()));
        socket.on("error", () => {});
        socket.on("end", () => socket.end("BYE\n"));
        socket.on("close", () => upgraded.delete(socket));
    });
    server.listen(process.env.PORT, "127.0.0.1");
    process.on("SIGTERM", () => {
        upgraded.forEach((socket) => socket.end("RESTART\n"));
        server.close(() => process.exit(0));
    });
  JS
  # The standard library's server: HTTP/1.0, so that an answer ends with its connection.
  PYTHON = <<~'PYTHON'
    import os, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            streams = self.path == "/events"
            self.send_header("Content-Type", "text/event-stream" if streams else "text/plain")
            self.end_headers()
            self.wfile.write(b"data: 0\n\n" if streams else b"here")
            while streams and not os.path.exists("tmp/go"):
                time.sleep(0.05)
            if streams:
                self.wfile.write(b"data: 1\n\n")

    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
  PYTHON
  ASGI = <<~'PYTHON'
    import asyncio

    left = 0

    async def application(scope, receive, send):
        global left
        if scope["type"] != "http":
            return
        streams = scope["path"] == "/events"
        await send({"type": "http.response.start", "status": 200, "headers": [
            (b"content-type", b"text/event-stream" if streams else b"text/plain")]})
        if not streams:
            await send({"type": "http.response.body", "body": str(left).encode()})
            return
        await receive()
        gone = asyncio.ensure_future(receive())
        number = 0
        while not gone.done():
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number,
                        "more_body": True})
            number += 1
            await asyncio.sleep(0.05)
        left += 1
  PYTHON

  serve do |made|
    Transfers.set_up(made)
    made.site("node.test", SampleApps.written(PROGRAM, "server.js"), command)
    made.site("python.test", SampleApps.written(PYTHON, "server.py"),
              command("/usr/bin/python3 server.py"))
    made.site("limited.test", SampleApps.written(PROGRAM, "server.js"),
              "#{command}PassengerForceMaxConcurrentRequestsPerProcess 2\n")
    made.site("off.test", SampleApps.written(PROGRAM, "server.js"),
              "#{command}PassengerTransferConnections off\n")
    if UVICORN
      made.site("uvicorn.test", SampleApps.written(ASGI, "app.py"),
                command("/usr/bin/python3 -m uvicorn app:application --port $PORT"))
    end
  end

  def self.command(text = "#{NODE_PROGRAM} server.js")
    "PassengerAppStartCommand \"#{text}\"\nPassengerMaxInstances 1\n" \
      "CustomLog logs/access.log transfers\n"
  end

  def test_upgraded_connections_hold_no_thread
    raws = Array.new(MANY) { upgraded }
    assert_equal "here", client.get("/").body
    raws.each { |raw| assert_equal "ONE\n", raw.write("one\n").read_bytes(4) }
    wait_for_entries("/upgraded 101 1")
    raws.each(&:close)
    eventually("the end of all") { client.get("/count").body.end_with?(" 0") }
  end

  def test_much_passes_in_both_directions_while_the_client_does_not_read
    raw = upgraded
    text = "#{'x' * 99_999}\n"
    writer = Thread.new { 30.times { raw.write(text) } }
    sleep 0.5
    30.times { assert_equal text.upcase, raw.read_bytes(text.bytesize) }
    writer.join
    raw.close_write
    assert_equal "BYE\n", raw.read_bytes(4)
    assert raw.ended?
  end

  def test_event_streams_hold_no_thread_and_get_what_the_application_tells
    assert_streams_hold_no_thread
    wait_for_entries("/events 200 1")
  end

  def test_the_application_learns_that_its_clients_have_left
    raws = [listening, listening, listening]
    raws[0].close
    raws[1].abort
    raws[2].write("GET /pid HTTP/1.1\r\nHost: node.test\r\n\r\n")
    eventually("two that have left") { client.get("/count").body.start_with?("1 ") }
    client.get("/tell")
    assert_equal "data: news\n\n", raws[2].read_chunk
    raws[2].close
    eventually("three that have left") { client.get("/count").body.start_with?("0 ") }
  end

  def test_a_long_stream_waits_for_its_client_and_comes_whole
    assert_a_long_stream_waits_for_its_client_and_comes_whole
  end

  def test_a_stream_that_breaks_off_does_not_look_whole
    raw = server.raw("node.test").request("GET", "/broken")
    assert_equal 200, raw.read_head.status
    assert_equal "data: begun\n\n", raw.read_chunk
    assert_raises(EOFError, Errno::ECONNRESET) { raw.read_chunk }
  end

  def test_a_stream_with_a_length_stays_with_httpd
    raw = server.raw("node.test")
    assert_equal "data: 1\n\n", raw.get("/measured").body
    assert_equal "here", raw.get("/").body
  end

  # Its place would go to a request that the application could not answer.
  def test_a_stream_of_an_application_with_a_limit_stays_with_httpd
    raw = server.raw("limited.test").request("GET", "/slow")
    raw.read_head
    assert_equal "data: begun\n\n", raw.read_chunk
    FileUtils.touch(File.join(root("limited.test"), "tmp/go"))
    assert_equal "data: ended\n\n", raw.read_chunk
    raw.close
    wait_for_entries("/slow 200 -")
  end

  def test_streams_that_end_with_their_connection_are_whole
    raws = Array.new(MANY) { server.raw("python.test").request("GET", "/events").tap(&:read_head) }
    raws.each { |raw| assert_equal "data: 0\n\n", raw.read_chunk }
    assert_equal "here", server.client("python.test").get("/").body
    FileUtils.touch(File.join(root("python.test"), "tmp/go"))
    raws.each do |raw|
      assert_equal "data: 1\n\n", raw.read_chunk
      assert_empty raw.read_chunk.to_s
    end
  end

  def test_streams_of_uvicorn
    skip "this machine has no uvicorn" unless UVICORN
    raws = Array.new(MANY) { server.raw("uvicorn.test").request("GET", "/events").tap(&:read_head) }
    raws.each do |raw|
      # What httpd itself sends may have several events in a chunk.
      text = +""
      text << raw.read_chunk until text.count("\n") >= 6
      assert_equal(%w[0 1 2], text.scan(/\d+/).first(3))
    end
    assert_equal "0", server.client("uvicorn.test").get("/").body
    raws.each(&:close)
    eventually("the end of all") { server.client("uvicorn.test").get("/").body == MANY.to_s }
  end

  def test_bytes_that_httpd_has_read_ahead_reach_the_application_by_a_thread
    raw = server.raw("node.test")
    raw.write("GET /ahead HTTP/1.1\r\nHost: node.test\r\nConnection: Upgrade\r\n" \
              "Upgrade: capitals\r\n\r\none\ntwo\n")
    assert_equal 101, raw.read_head.status
    assert_equal "WELCOME\nONE\nTWO\n", raw.read_bytes(16)
    raw.close
    wait_for_entries("/ahead 101 -")
  end

  def test_where_transfers_are_off_a_thread_passes_the_bytes_on
    raws = Array.new(THREADS - 1) { upgraded("off.test", "/off") }
    surplus = server.raw("off.test")
    assert_equal 503, surplus.request("GET", "/", UPGRADE).read_head.status
    raws.each { |raw| assert_equal "ONE\n", raw.write("one\n").read_bytes(4) }
    [surplus, *raws].each(&:close)
    wait_for_entries("/off 101 -")
  end

  def test_connections_outlive_the_httpd_process_that_accepted_them
    raws = [upgraded, listening]
    children = server.tree.httpd_children.map(&:pid)
    children.each { |pid| Process.kill(:KILL, pid) }
    eventually("another child") { (server.tree.httpd_children.map(&:pid) - children).any? }
    assert_equal "ONE\n", raws[0].write("one\n").read_bytes(4)
    client.get("/tell")
    assert_equal "data: news\n\n", raws[1].read_chunk
    raws.each(&:close)
  end

  def test_an_instance_that_ends_finishes_its_streams_and_passes_on_the_last_words
    with_application do |own, root|
      raw = own.raw.request("GET", "/slow")
      raw.read_head
      assert_equal "data: begun\n\n", raw.read_chunk
      other = upgraded("own.test", "/", own)
      pid = own.client.get("/pid").body
      FileUtils.touch(File.join(root, "tmp/restart.txt"))
      eventually("the new version") { own.client.get("/pid").body != pid }
      assert_equal "ONE\n", other.write("one\n").read_bytes(4)
      FileUtils.touch(File.join(root, "tmp/go"))
      assert_equal "data: ended\n\n", raw.read_chunk
      assert_empty raw.read_chunk.to_s
      assert_equal "RESTART\n", other.read_bytes(8)
      assert other.ended?
      eventually("the end of the old instance") { !own.tree.pids.include?(pid.to_i) }
    end
  end

  def test_a_bridge_that_is_killed_ends_its_connections_and_its_application
    with_application do |own, _root|
      pid = own.client.get("/pid").body.to_i
      raws = [upgraded("own.test", "/", own), own.raw.request("GET", "/events").tap(&:read_head)]
      assert_equal "data: welcome\n\n", raws[1].read_chunk
      bridges = own.tree.matching(/\APassenger bridge/)
      bridges.each { |process| Process.kill(:KILL, process.pid) }
      assert raws[0].ended?
      assert_raises(EOFError, Errno::ECONNRESET) { raws[1].read_chunk }
      eventually("the end of the application") { !own.tree.pids.include?(pid) }
      assert_equal "here", own.client.get("/").body
    end
  end

  private

  def client
    server.client("node.test")
  end

  def root(name)
    server.configuration.sites.find { |site| site.name == name }.root
  end

  def with_application
    root = SampleApps.written(PROGRAM, "server.js")
    made = configuration { |one| one.site("own.test", root, self.class.command.lines.first) }
    with_server(made) { |own| yield own, root }
  end

  def upgraded(site = "node.test", path = "/upgraded", of = server)
    raw = of.raw(site)
    assert_equal 101, raw.request("GET", path, UPGRADE).read_head.status
    assert_equal "WELCOME\n", raw.read_bytes(8)
    raw
  end
end
