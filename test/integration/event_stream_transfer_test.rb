# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/event_streams"

# Event streams of Node applications, with their clients' own sockets: no thread of httpd holds
# them.
class EventStreamTransferTest < IntegrationTest
  include EventStreams

  PROGRAM = "#{NODE}#{<<~'JS'}".freeze
    let tailed = false;
    Object.assign(routes, {
        "/closing": (request, response) => {
            response.writeHead(200, { ...events, Connection: "close" });
            response.write("data: welcome\n\n");
        },
        "/limited": (request, response) => {
            response.writeHead(200, events);
            response.write("data: tick\n\n");
            setTimeout(() => request.setTimeout(1000), 200);
            const ticks = setInterval(() => response.write("data: tick\n\n"), 200);
            response.on("close", () => clearInterval(ticks));
        },
        "/tail": (request, response) => {
            response.writeHead(200, events);
            response.write("data: welcome\n\n");
            setImmediate(() => response.end("x".repeat(2_500_000), () => tailed = true));
        },
        "/tailed": (request, response) => response.end(String(tailed)),
        "/headers_first": (request, response) => {
            response.writeHead(200, events).flushHeaders();
            setTimeout(() => response.end("data: late\n\n"), 200);
        },
        "/left": (request, response) => response.end(`${left} left, ${listening.size} listen`),
    });
    require("http").createServer((request, response) => routes[request.url](request, response))
        .listen(process.env.PORT);
  JS

  serve do |made|
    EventStreams.set_up(made, "deflate")
    made.site("events.test", SampleApps.written(PROGRAM, "app.js"),
              "PassengerMaxInstances 1\nPassengerMinInstances 1\n" \
              "AddOutputFilterByType DEFLATE text/html text/plain\n#{LOGGED}")
    made.site("filtered.test", SampleApps.written(PROGRAM, "app.js"), FILTERED)
  end

  # mod_expires and mod_session set fields of the head only, and the stream has them. Session on has
  # no effect without a module that stores sessions.
  def test_modules_that_change_the_head_only_keep_no_stream
    made = configuration do |one|
      one.main_directives << LOG_FORMAT << "LogLevel passenger:debug\n"
      %w[expires session filter substitute].each do |name|
        file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
        one.main_directives << "LoadModule #{name}_module #{file}\n"
      end
      one.site("expires.test", SampleApps.written(PROGRAM, "app.js"),
               "ExpiresActive On\nExpiresByType text/event-stream \"access plus 1 month\"\n" \
               "#{LOGGED}")
      one.site("filtered.test", SampleApps.written(PROGRAM, "app.js"), FILTERED)
    end
    with_server(made) do |own|
      raw = own.raw.request("GET", "/events")
      assert raw.read_head["Expires"]
      assert_equal "data: welcome\n\n", raw.read_chunk
      log = File.join(own.folder, "logs/access.log")
      eventually("the entry") { File.readlines(log, chomp: true) == ["/events 200 1"] }
      own.raw("filtered.test").request("GET", "/events").read_head
      own.log.wait_for(/event=stream\.kept .*filter="substitute"/)
    end
  end

  def test_streams_hold_no_thread_and_get_what_the_application_tells
    assert_streams_hold_no_thread
    wait_until_nobody_listens
  end

  def test_a_head_that_goes_first_is_followed_by_the_rest
    answer = server.raw.request("GET", "/headers_first").response
    assert_equal [200, "text/event-stream", "close", "data: late\n\n"],
                 [answer.status, answer["Content-Type"], answer["Connection"], answer.body]
  end

  def test_the_end_reaches_a_client_that_has_sent_more
    raw = server.raw.request("GET", "/tail")
    raw.read_head
    assert_equal "data: welcome\n\n", raw.read_chunk
    eventually("the end") { client.get("/tailed").body == "true" }
    raw.write("GET / HTTP/1.1\r\n")
    assert_equal 200, client.get("/pid").code.to_i
    assert_equal 2_500_000, raw.read_chunk.bytesize
    assert_empty raw.read_chunk.to_s
    assert raw.ended?
  end

  def test_a_client_that_sends_much_is_cut
    wait_until_nobody_listens
    before = client.get("/left").body.to_i
    raw = listening
    assert_raises(Errno::ECONNRESET, Errno::EPIPE) { 1000.times { raw.write("x" * 65_536) } }
    eventually("one that has left") { client.get("/left").body.to_i == before + 1 }
  end

  def test_the_head_names_the_chunks_once
    [%w[/events Expect 100-continue], %w[/closing X-Nothing 1]].each do |path, name, value|
      raw = server.raw.request("GET", path, name => value)
      head = raw.read_head
      head = raw.read_head if head.status == 100
      assert_equal [200, ["chunked"], ["close"]],
                   [head.status, head.all("Transfer-Encoding"), head.all("Connection")]
      assert_equal "data: welcome\n\n", raw.read_chunk
      raw.close
    end
  end

  def test_a_limit_that_is_set_later_counts_from_the_last_event
    raw = server.raw.request("GET", "/limited")
    raw.read_head
    assert_equal(["data: tick\n\n"], Array.new(12) { raw.read_chunk }.uniq)
    raw.close
  end

  # More than an instance receives at once, in as many threads.
  def test_many_streams_that_begin_together_are_all_given_away
    made = configuration do |one|
      one.mpm = "event"
      one.main_directives << LOG_FORMAT
      one.site("herd.test", SampleApps.written(PROGRAM, "app.js"),
               "PassengerMaxInstances 1\n#{LOGGED}")
    end
    with_server(made) do |own|
      assert_equal "0 left, 0 listen", own.client.get("/left").body
      raws = Array.new(60) { own.raw.request("GET", "/events") }
      raws.each do |raw|
        assert_equal 200, raw.read_head.status
        assert_equal "data: welcome\n\n", raw.read_chunk
      end
      assert_equal "60", own.client.get("/tell").body
      log = File.join(own.folder, "logs/access.log")
      eventually("60 entries") { File.readlines(log, chomp: true).count("/events 200 1") == 60 }
      raws.each(&:close)
    end
  end

  def test_streams_beyond_half_of_the_descriptors_stay_with_httpd
    limit = 'require("child_process").execSync(`prlimit --pid ${process.pid} --nofile=100:100`);'
    root = SampleApps.written("#{limit}\n#{PROGRAM}", "app.js")
    assert_connections_beyond_half_of_the_descriptors_stay_with_httpd(root) do |own|
      welcomed(own)
    end
  end

  # A server of its own: clients of other tests may leave meanwhile.
  def test_the_application_learns_that_its_clients_have_left
    made = configuration do |one|
      one.site("left.test", SampleApps.written(PROGRAM, "app.js"), "PassengerMaxInstances 1\n")
    end
    with_server(made) do |own|
      raws = Array.new(3) { welcomed(own) }
      raws[0].close
      raws[1].abort
      eventually("two that have left") { own.client.get("/left").body == "2 left, 1 listen" }
      raws[2].close
      eventually("three") { own.client.get("/left").body == "3 left, 0 listen" }
    end
  end

  private

  def streaming_app
    [SampleApps.written(PROGRAM, "app.js"), ""]
  end
end
