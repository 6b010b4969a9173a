# frozen_string_literal: true

require "openssl"
require_relative "support/control_client"
require_relative "support/integration_test"
require_relative "support/raw_client"
require_relative "support/unused_port"

# Clients that leave while an instance works at their request: httpd's thread is free, and the
# application is told.
class GoneClientsTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  PYTHON = "/usr/bin/python3"
  HTTP2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")

  # Event streams without an event and long polls; `/open` tells how many are open and were closed.
  STREAMS = <<~'JAVASCRIPT'
    const http = require("http");
    let open = 0, closed = 0;
    http.createServer((request, response) => {
      if (request.url === "/open") return response.end(`${open} ${closed}`);
      open++;
      response.on("close", () => { open--; closed++; });
      if (request.url === "/poll") return;
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(": hello\n\n");
    }).listen(3000);
  JAVASCRIPT

  # The body of `/body` and the application at `/work` wait for the gate. With Rack 2 this is an
  # application of Rack 3, too, so that there is rack.response_finished.
  RACK = <<~'RUBY'
    require "rack"
    Rack.define_singleton_method(:release) { "3.0" } if Rack.release.to_i < 3
    class Gated
      def initialize(gate, notes)
        @gate = gate
        @notes = notes
      end

      def each
        yield "first"
        pass
        yield "second"
        yield "third"
      rescue Errno::EPIPE
        note("no pipe")
        raise
      end

      def pass
        note("begun")
        File.open(@gate, &:gets)
        note("passed")
      end

      def close
        note("closed")
      end

      def note(text)
        File.write(@notes, "#{text}\n", mode: "a")
      end
    end

    run(lambda do |env|
      head = { "content-type" => "text/plain" }
      query = Rack::Utils.parse_query(env["QUERY_STRING"])
      return [200, head, [Process.pid.to_s]] if query.empty?

      body = Gated.new(*query.values_at("gate", "notes"))
      finished = ->(_, _, _, error) { body.note("finished #{error.class}") }
      env["rack.response_finished"].push(finished)
      return [200, head, body] if env["PATH_INFO"] == "/body"

      body.pass
      [200, head, ["done"]]
    end)
  RUBY

  WSGI = <<~'PYTHON'
    import urllib.parse

    class Gated:
        def __init__(self, gate, notes):
            self.gate, self.notes = gate, notes

        def note(self, text):
            with open(self.notes, "a") as notes:
                notes.write(text + "\n")

        def __iter__(self):
            yield b"first"
            self.note("begun")
            open(self.gate).readline()
            self.note("passed")
            yield b"second"
            yield b"third"
            self.note("not reached")

        def close(self):
            self.note("closed")

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        query = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
        return Gated(query["gate"], query["notes"]) if query else [b"hello"]
  PYTHON

  # A client over TLS. `close` tells TLS of its end before that of TCP.
  class TlsClient < RawClient
    def initialize(port, site)
      super
      @tcp = @socket
      @socket = OpenSSL::SSL::SSLSocket.new(@tcp).connect
    end

    def close
      @socket.close
      close_tcp
    end

    def close_tcp
      @tcp.close
    end

    def abort
      @tcp.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack("ii"))
      close_tcp
    end

    def close_write
      @tcp.close_write
    end

    private

    def fill
      ready = @socket.pending.positive? || @tcp.wait_readable(@timeout)
      raise Silence, "nothing came for #{@timeout} s" unless ready

      @buffer << @socket.readpartial(65_536)
    end
  end

  # Sends a request. On command, resets its stream, and asks for another one.
  RESETS = <<~'JAVASCRIPT'
    const session = require("http2").connect("http://127.0.0.1:" + process.argv[1]);
    const get = (path) => session.request({ ":authority": "node.test", ":path": path });
    const stream = get("/poll");
    stream.on("error", () => {});
    process.on("SIGUSR2", () => {
      stream.close(8);
      get("/open").on("response", (head) => {
        console.log("other", head[":status"]);
        session.destroy();
      }).resume();
    });
  JAVASCRIPT

  def self.sites(made)
    http2 = "LoadModule http2_module #{HTTP2}\nProtocols h2c http/1.1\n"
    made.main_directives << http2 if http2?(made)
    made.set("PassengerMaxPoolSize", 8)
    made.site("node.test", SampleApps.written(STREAMS, "app.js"), "PassengerMaxInstances 1\n")
    made.site("one.test", SampleApps.written(RACK), "PassengerMaxInstances 1\n")
    made.tls_port = UnusedPort.find
    made.site("secure.test", SampleApps.written(RACK), "PassengerMaxInstances 1\n", tls: true)
    made.site("short.test", SampleApps.written(RACK),
              "PassengerMaxInstances 1\nPassengerMaxRequestQueueSize 1\n")
    made.site("two.test", SampleApps.written(RACK), "PassengerMaxInstances 2\n")
    made.site("wsgi.test", SampleApps.written(WSGI, "passenger_wsgi.py"),
              "PassengerPython #{PYTHON}\nPassengerMaxInstances 1\n")
  end

  serve { |made| sites(made) }

  def self.http2?(configuration)
    File.exist?(HTTP2) && configuration.mpm != "prefork"
  end

  def setup
    @gate = fifo
    @notes = File.join(scratch, "notes")
    File.write(@notes, "")
    File.chmod(0o666, @notes)
  end

  # Node has 32 places.
  def test_forty_silent_event_streams_of_closed_browsers_free_the_places_of_node
    skip "needs node" unless NODE
    closed = node.last
    raws = Array.new(40) { server.raw("node.test").request("GET", "/stream") }
    eventually("answers") { raws.count { |raw| raw.arrived?(0) } >= 32 }
    raws.select { |raw| raw.arrived?(0) }.each { |raw| raw.tap(&:read_head).read_chunk }
    raws.each(&:close)
    open, closed_now = assert_seconds_of_a_moment { node }
    assert_operator closed_now - closed, :>=, 32 - open
    eventually("they have ended") { node.first.zero? }
  end

  def test_node_sees_the_end_of_a_long_poll_whose_client_has_closed_or_aborted
    skip "needs node" unless NODE
    %i[close abort].each do |way|
      assert_equal [0, 5], before(5, way) { server.raw("node.test").request("GET", "/poll") }
    end
  end

  def test_node_sees_the_end_of_a_request_whose_http_2_connection_is_gone
    needs_http2
    assert_told("KILL", "curl", "--silent", "--http2-prior-knowledge", "--max-time", "60",
                "--header", "Host: node.test", "http://127.0.0.1:#{server.port}/poll")
  end

  def test_node_sees_the_end_of_a_request_whose_http_2_stream_was_reset
    needs_http2
    assert_equal "other 200\n", assert_told("USR2", "node", "-e", RESETS, server.port.to_s)
  end

  def test_a_half_closed_client_gets_its_answer
    client("one.test").get("/") # a start would take longer than such a client is waited for
    raw = client_of("one.test", "/")
    raw.close_write
    assert_match(/\A\d+\z/, raw.response.body)
  end

  def test_a_half_closed_client_sees_that_a_silent_answer_breaks_off
    raw = client_of("one.test", "/body")
    assert_equal "first", raw.tap(&:read_head).read_chunk
    await("begun")
    raw.close_write
    assert_raises(EOFError, Errno::ECONNRESET) { raw.read_chunk }
    release(@gate)
    await("closed")
  end

  def test_the_next_write_of_ruby_fails_as_with_a_socket
    raw = client_of("one.test", "/body")
    assert_equal "first", raw.tap(&:read_head).read_chunk
    leave(raw)
    assert_ruby_is_told
  end

  { close: "tells_its_end", close_tcp: "closes_the_connection_alone", abort: "resets",
    close_write: "half_closes" }.each do |way, words|
    define_method("test_a_client_over_tls_that_#{words}_is_gone_for_ruby") do
      raw = TlsClient.new(server.configuration.tls_port, "secure.test")
      raw.request("GET", path_of("/body"))
      assert_equal "first", raw.tap(&:read_head).read_chunk
      leave(raw, way)
      assert_ruby_is_told
    ensure
      raw&.close_tcp
    end
  end

  def test_ruby_code_is_not_stopped_in_the_middle_and_keeps_its_place
    raw = client_of("one.test", "/work")
    await("begun")
    leave(raw)
    waiting = client_of("one.test", "/")
    later = Thread.new { waiting.response.body }
    eventually("the next request waits") { waiting_requests("one.test") == 1 }
    release(@gate)
    assert_match(/\A\d+\z/, later.value)
    assert_equal %w[begun passed], notes.first(2)
  end

  def test_another_instance_serves_while_one_works_for_a_client_that_has_gone
    first = server.client("two.test").get("/").body
    raw = client_of("two.test", "/work")
    await("begun")
    leave(raw)
    refute_equal first, server.client("two.test").get("/").body
    release(@gate)
    await("passed")
  end

  def test_a_request_whose_client_has_gone_makes_the_queue_no_longer
    client("short.test").get("/")
    raw = client_of("short.test", "/work")
    await("begun")
    leave(raw)
    waiting = client_of("short.test", "/")
    eventually("a request waits") { waiting_requests("short.test") == 1 }
    assert_status 503, client("short.test").get("/")
    release(@gate)
    assert_match(/\A\d+\z/, waiting.response.body)
  end

  def test_a_wsgi_iterator_is_closed_and_takes_its_place_until_then
    skip "needs python" unless File.executable?(PYTHON)
    raw = client_of("wsgi.test", "/body")
    assert_equal "first", raw.tap(&:read_head).read_chunk
    leave(raw)
    waiting = server.raw("wsgi.test").request("GET", "/")
    later = Thread.new { waiting.response.body }
    eventually("the next request waits") { waiting_requests("wsgi.test") == 1 }
    release(@gate)
    assert_equal "hello", later.value
    assert_equal %w[begun passed closed], notes
  end

  private

  def needs_http2
    skip "needs node" unless NODE
    skip "needs mod_http2" unless self.class.http2?(server.configuration)
  end

  def client_of(site, path)
    server.raw(site).request("GET", path == "/" ? path : path_of(path))
  end

  def path_of(path)
    "#{path}?gate=#{@gate}&notes=#{@notes}"
  end

  # Its next write fails, and rack.response_finished gets the error.
  def assert_ruby_is_told
    release(@gate)
    last = "finished PhusionPassenger::ClientGone"
    await(last)
    assert_equal ["begun", "passed", "no pipe", "closed", last], notes
  end

  def notes
    File.readlines(@notes, chomp: true)
  end

  def await(note)
    eventually("the note #{note}") { notes.include?(note) }
  end

  # httpd notices within a second that the client has left.
  def leave(raw, way = :close)
    await("begun")
    before = given_up
    raw.public_send(way)
    assert_seconds_of_a_moment { eventually("httpd notices") { given_up > before } }
  end

  def given_up
    server.log.count(/event=request\.given_up.*client left/)
  end

  # A second, and what it takes to see it on a busy machine. Otherwise nobody would notice before
  # the application goes on.
  def assert_seconds_of_a_moment
    result = nil
    assert_operator seconds { result = yield }, :<, 10 * Eventually::PATIENCE
    result
  end

  # How many requests of the application wait, as the agent says.
  def waiting_requests(site)
    root = server.configuration.sites.find { |one| one.name == site }.root
    ControlClient.in(File.join(server.folder, "run")).status["apps"]
                 .find { |app| app["name"].include?(root) }.dig("queue", "waiting")
  end

  # Opens so many, and ends them. Returns how many Node then has open, and how many of these it has
  # seen closed.
  def before(count, way = :close)
    closed = node.last
    raws = Array.new(count) { yield }
    eventually("they have begun") { node.first == count }
    raws.each(&way)
    eventually("they have ended") { node.first.zero? }
    [0, node.last - closed]
  end

  def node
    server.client("node.test").get("/open").body.split.map(&:to_i)
  end

  # Node sees a request begin, and end when its client, this command, gets the signal. Returns the
  # client's output.
  def assert_told(signal, *command)
    closed = node.last
    output, writer = IO.pipe
    client = Process.spawn(*command, out: writer, err: writer)
    writer.close
    eventually("it has begun") { node.first == 1 }
    Process.kill(signal, client)
    assert_seconds_of_a_moment { eventually("it has ended") { node == [0, closed + 1] } }
    output.read
  ensure
    Process.kill("KILL", client) && Process.wait(client) if client
    output&.close
  end
end

# What each MPM may do otherwise: a request in work, in the queue, and a silent answer.
module GoneClientsOfMpm
  CASES = /long_poll|next_write|keeps_its_place|silent_answer|wsgi|zzz/.freeze

  def runnable_methods
    super.grep(CASES)
  end
end

# The same under httpd's MPM worker.
class GoneClientsUnderWorkerTest < GoneClientsTest
  extend GoneClientsOfMpm
  serve { |made| sites(made.tap { |one| one.mpm = "worker" }) }
end

# The same under httpd's MPM prefork.
class GoneClientsUnderPreforkTest < GoneClientsTest
  extend GoneClientsOfMpm
  serve { |made| sites(made.tap { |one| one.mpm = "prefork" }) }
end
