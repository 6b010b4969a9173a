# frozen_string_literal: true

require "digest"

require_relative "support/integration_test"
require_relative "support/steady_load"

# Node applications that take requests themselves (lib/passenger/node), beside the same application
# behind a bridge: what applications and clients see does not differ.
class NodeInstanceTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  NATIVE = File.join(TestEnvironment::PASSENGER_ROOT, "native/node/passenger_native.node")
  BOTH = %w[native.test bridge.test].freeze
  # The same applications, for one test: what is told of clients that leave is told late.
  LEFT = %w[left-native.test left-bridge.test].freeze
  SAME = %w[/text /latin /binary /pieces /chunked /trailers /none /unchanged /length /cookies /head
            /name /gzip /timeout /early /request?a=%20b&c].freeze
  BODY = Random.new(1).bytes(5_000_000).freeze

  CLUSTER = <<~'JS'
    const cluster = require("cluster");
    if (cluster.isPrimary) {
        cluster.fork();
        cluster.fork();
    } else {
        require("http").createServer((request, response) => {
            console.error("the cluster answers");
            response.end("cluster");
        }).listen(80);
    }
  JS
  CHILD = <<~'JS'
    if (process.argv[2]) {
        require("http").createServer((request, response) => response.end("child")).listen(80);
    } else {
        require("child_process").fork(__filename, ["child"]);
    }
  JS
  THREAD = <<~'JS'
    const { Worker, isMainThread } = require("worker_threads");
    if (isMainThread) {
        new Worker(__filename);
    } else {
        require("http").createServer((request, response) => response.end("thread")).listen(80);
    }
  JS
  OWN = <<~'JS'
    require("net").createServer((socket) => {
        // Connections that only look whether somebody listens.
        socket.on("error", () => {});
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nown");
    }).listen(process.env.PORT);
  JS
  LATER = <<~'JS'
    import http from "http";
    setTimeout(() => {
        http.createServer((request, response) => response.end("module")).listen(80);
    }, 300);
  JS
  CLOSING = <<~'JS'
    const server = require("http").createServer((request, response) => {
        if (request.url === "/close") {
            server.close(() => process.exit(0));
        }
        setTimeout(() => response.end(String(process.pid)), request.url === "/close" ? 300 : 0);
    }).listen(80);
  JS
  SIGNAL = <<~'JS'
    const controller = new AbortController();
    require("http").createServer((request, response) => {
        response.end(String(process.pid));
        if (request.url === "/abort") {
            controller.abort();
        }
    }).listen({ port: 80, signal: controller.signal });
  JS
  # As the library signal-exit, which clears up only where nobody else listens.
  CLEARING = <<~'JS'
    const fs = require("fs");
    process.on("SIGTERM", function clear() {
        if (process.listeners("SIGTERM").length === 1) {
            process.removeListener("SIGTERM", clear);
            fs.writeFileSync(`cleared-${process.pid}`, "");
            process.kill(process.pid, "SIGTERM");
        }
    });
    require("http").createServer((request, response) => {
        response.end(String(process.pid));
    }).listen(80);
  JS
  REFUSING = <<~'JS'
    require("http").createServer((request, response) => {
        response.write("served");
        response.end();
    }).on("connection", (socket) => socket.destroy()).listen(80);
  JS
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze
  FALLEN_BACK = { "cluster" => CLUSTER, "child" => CHILD, "thread" => THREAD, "own" => OWN }.freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", 20)
    [*BOTH, *LEFT].each do |site|
      off = site.end_with?("bridge.test") ? "SetEnv PASSENGER_NATIVE off\n" : ""
      made.site(site, SampleApps.copy("node_app"), "PassengerMaxInstances 1\n#{off}")
    end
    FALLEN_BACK.each { |kind, text| made.site("#{kind}.test", SampleApps.written(text, "app.js")) }
    made.site("streaming.test", SampleApps.copy("node_app"),
              "PassengerMaxInstances 1\nPassengerBufferUpload off\n")
    made.site("module.test", SampleApps.written(LATER, "app.mjs"),
              "PassengerAppType node\nPassengerStartupFile app.mjs\n")
    { "closing" => CLOSING, "signal" => SIGNAL, "clearing" => CLEARING,
      "refusing" => REFUSING }.each do |name, text|
      made.site("#{name}.test", SampleApps.written(text, "app.js"))
    end
  end

  def setup
    skip "there is no node" unless NODE
    skip "there is no #{NATIVE}" unless File.exist?(NATIVE)
  end

  def test_answers_are_the_same_as_behind_a_bridge
    SAME.each do |path|
      answers = BOTH.map { |site| seen(client(site).get(path)) }
      assert_equal answers[1], answers[0], path
    end
    BOTH.each { |site| assert_equal "5", client(site).head("/length")["content-length"] }
  end

  def test_the_instance_is_the_process_of_the_application
    pid = client("native.test").get("/pid").body
    server.log.wait_for(/event=instance\.started app="#{root("native.test")}.*pid=#{pid}/)
  end

  def test_bodies_arrive_whole_at_any_pace
    expected = "#{BODY.size} #{Digest::SHA1.hexdigest(BODY)}"
    %w[/measure /slowly].each do |path|
      assert_equal expected, client("native.test").post(path, BODY).body
      assert_equal expected, client("native.test").post_stream(path, StringIO.new(BODY)).body
    end
    assert_equal Digest::SHA1.hexdigest(BODY),
                 Digest::SHA1.hexdigest(client("native.test").post("/echo", BODY).body)
    ["", "x"].each do |body|
      assert_match(/\A#{body.size} /, client("native.test").post("/measure", body).body)
    end
  end

  def test_a_large_answer_waits_for_its_client
    assert_equal 40 << 20, client("native.test").get("/large").body.size
  end

  def test_an_answer_may_come_before_the_body_is_read
    BOTH.each { |site| assert_status 413, client(site).post("/early", BODY) }
    assert_status 200, client("native.test").get("/text")
  end

  def test_a_complete_answer_arrives_though_the_application_closes_the_connection_of_an_upload
    %w[/refused /refused-later].each do |path|
      answer = client("native.test").post(path, BODY)
      assert_equal [413, "too large"], [Integer(answer.code), answer.body], path
      raw = server.raw("streaming.test").request("POST", path, "Content-Length" => 9000)
      answer = raw.write("x").response
      assert_equal [413, "too large"], [answer.status, answer.body], path
    end
  end

  def test_a_body_that_is_read_behind_the_answer_arrives_whole
    ["x", BODY].each do |body|
      assert_equal "early", client("native.test").post("/save", body).body
      assert_told "native.test", "saved #{body.size} whole"
    end
  end

  def test_pieces_of_a_body_arrive_behind_the_answer_and_a_cut_one_is_an_error
    piece = "x" * 3000
    { piece => "saved 9000 whole", nil => "saved 6000 ECONNRESET" }.each do |last, told|
      raw = server.raw("streaming.test").request("POST", "/save", "Content-Length" => 9000)
      [3000, 6000].each do |sum|
        raw.write(piece)
        assert_told "streaming.test", "piece #{sum}"
      end
      last ? raw.write(last) : raw.close
      assert_told "streaming.test", told
      refute_includes @told.join, "client error"
      assert_equal "early", raw.response.body if last
    end
  end

  def test_the_callbacks_of_writes_that_are_not_sent_are_called_with_an_error
    # httpd may have sent nothing of the answer yet.
    code = begin
      client("native.test").get("/unsent").code
    rescue EOFError
      "cut"
    end
    assert_includes %w[502 cut], code
    assert_told "native.test", "written ERR_STREAM_DESTROYED"
  end

  def test_connections_that_the_application_closes_are_bad_gateways_or_cut_short
    BOTH.each do |site|
      %w[/destroy /destroy-request].each { |path| assert_status 502, client(site).get(path) }
      assert_raises(EOFError) { client(site).get("/cut") }
    end
  end

  def test_the_application_learns_that_its_client_has_left
    seen = LEFT.map do |site|
      events(site)
      raw = server.raw(site).request("GET", "/wait")
      eventually("the request") { (@events = events(site)).include?("wait") }
      raw.close
      eventually("its end") { (@events += events(site)).include?("request close") }
      @events.reject { |event| event.start_with?("connection") }.sort
    end
    assert_equal ["aborted", "request close", "request error ECONNRESET", "response close false",
                  "wait"], seen[0]
    assert_equal seen[1], seen[0]
  end

  def test_the_ends_of_request_and_answer_are_told
    BOTH.each do |site|
      events(site)
      client(site).get("/done")
      seen = []
      eventually("both ends") do
        seen += events(site)
        (["finish", "response close true", "request close"] - seen).empty?
      end
      refute_includes seen, "aborted"
    end
  end

  def test_what_is_written_behind_the_end_of_an_answer_ends_no_process
    BOTH.each do |site|
      pid = client(site).get("/pid").body
      assert_equal "answer", client(site).get("/late").body
      assert_told site, "ERR_STREAM_WRITE_AFTER_END"
      assert_equal pid, client(site).get("/pid").body
    end
  end

  def test_a_body_that_nobody_reads_does_not_abort_its_request
    assert_equal "done", client("native.test").post("/done", BODY).body
    assert_told "native.test", "request close"
    refute_includes @told, "aborted"
  end

  def test_contexts_of_requests_do_not_mix
    3.times { assert_equal "undefined seen", client("native.test").get("/context").body }
  end

  # As libraries that trace requests rely on. From 24 on, Node itself loses a context at the second
  # piece of a body.
  def test_channels_of_diagnostics_are_told_within_the_context_of_a_request
    (node_major < 24 ? BOTH : BOTH.first(1)).each do |site|
      ["x", BODY].each do |body|
        lines = client(site).post("/traced", body).body.split("\n")
        assert_equal "traced true true", lines.pop, site
        assert_equal ["traced true true true"], lines.uniq, site
        assert_told site, "finished 200"
      end
    end
  end

  def test_hints_behind_the_head_do_not_get_into_the_body
    skip "this Node has no early hints" unless answers_have?("writeEarlyHints")
    raw = server.raw("native.test").request("GET", "/hints")
    unless answers_have?("writeInformation")
      hints = raw.read_head
      assert_equal [103, "</a.css>; rel=preload"], [hints.status, hints["Link"]]
    end
    assert_equal [200, "ab"], raw.response.then { |one| [one.status, one.body] }
    assert_told "native.test", "ERR_HTTP_HEADERS_SENT" if answers_have?("writeInformation")
  end

  def test_an_interim_answer_comes_before_the_head
    skip "this Node has no early hints" unless answers_have?("writeEarlyHints")
    BOTH.each do |site|
      raw = server.raw(site).request("GET", "/information")
      hints = raw.read_head
      assert_equal [103, "</a.css>", "yes"], [hints.status, hints["Link"], hints["X-More"]], site
      assert_equal [200, "informed"], raw.response.then { |one| [one.status, one.body] }, site
    end
  end

  def test_upgraded_connections_are_told_like_others_and_may_begin_with_hints
    BOTH.each do |site|
      raw = server.raw(site).request("GET", "/switch", UPGRADE)
      assert_equal [103, 101], Array.new(2) { raw.read_head.status }, site
      assert_equal "echo", raw.write("echo").read_bytes(4)
      raw.close
      assert_told site, "upgrade true true"
    end
  end

  def test_an_application_may_treat_a_request_for_an_upgrade_as_a_usual_one
    skip "this Node asks no application" unless servers_ask?
    BOTH.each do |site|
      answer = server.raw(site).request("GET", "/text", UPGRADE).response
      assert_equal [200, "h\u00e9llo".b], [answer.status, answer.body.b], site
    end
  end

  def test_refusals_of_upgrades_end_with_their_last_chunk_or_without_a_body
    { "/refuse" => [403, "forbidden"], "/unchanged" => [304, ""], "/none" => [204, ""] }
      .each do |path, expected|
        answer = server.raw("native.test").request("GET", path, UPGRADE).response
        assert_equal expected, [answer.status, answer.body], path
      end
    # Cut short, or a bad gateway, if nothing of it has gone to the client yet.
    status = begin
      server.raw("native.test").request("GET", "/broken", UPGRADE).response.status
    rescue EOFError
      502
    end
    assert_equal 502, status
  end

  def test_a_listener_of_one_connection_is_called_once
    site = client("streaming.test")
    3.times { site.get("/text") }
    assert_operator 1, :>=, events("streaming.test").count("first")
  end

  # A request that was begun is not run again unless it is safe.
  def test_the_end_of_the_process_ends_its_requests
    %w[/exit /throw].each do |path|
      pid = client("native.test").get("/pid").body
      if path == "/exit"
        assert_raises(EOFError) { client("native.test").get(path) }
      else
        assert_status 502, client("native.test").post(path)
      end
      eventually("another process") { client("native.test").get("/pid").body != pid }
    end
  end

  def test_restarts_fail_no_request
    site = client("native.test")
    answers = SteadyLoad.during(site, "/pid", threads: 4) do |load|
      3.times do
        old = site.get("/pid").body
        FileUtils.touch(File.join(root("native.test"), "tmp/restart.txt"))
        load.wait_for("another process") { |answer| answer.body != old }
        sleep 1.1 # restart.txt has a time in seconds
      end
    end
    assert_equal ["200"], answers.map { |answer| answer.code.to_s }.uniq
  end

  FALLEN_BACK.each_key do |kind|
    define_method("test_an_application_whose_server_is_a_#{kind}_gets_a_bridge") do
      assert_equal kind, client("#{kind}.test").get("/").body
      line = server.log.wait_for(/event=node\.bridged app="#{root("#{kind}.test")}.*/)
      assert_match(/reason="/, line)
      assert_equal kind, client("#{kind}.test").get("/").body
    end
  end

  def test_the_output_of_an_application_that_got_a_bridge_is_logged
    assert_equal "cluster", client("cluster.test").get("/").body
    server.log.wait_for(/output: the cluster answers$/)
  end

  def test_a_module_of_ecmascript_that_listens_later_is_served
    assert_equal "module", client("module.test").get("/").body
    refute_match(/event=node\.bridged app="#{root("module.test")}/, server.log.text)
  end

  def test_an_application_that_closes_its_server_answers_what_it_has_and_ends
    pid = client("closing.test").get("/").body
    assert_equal pid, client("closing.test").get("/close").body
    eventually("another process") { client("closing.test").get("/").body != pid }
  end

  def test_an_application_may_end_its_server_by_a_signal_of_listen
    pid = client("signal.test").get("/").body
    assert_equal pid, client("signal.test").get("/abort").body
    eventually("another process") { client("signal.test").get("/").body != pid }
  end

  def test_a_signal_ends_an_instance_with_a_listener_that_acts_only_if_it_is_alone
    pid = Integer(client("clearing.test").get("/").body)
    Process.kill("TERM", pid)
    eventually("its end") { File.exist?(File.join(root("clearing.test"), "cleared-#{pid}")) }
    eventually("another process") { Integer(client("clearing.test").get("/").body) != pid }
  end

  def test_an_application_may_close_each_connection
    assert_status 502, client("refusing.test").get("/")
  end

  private

  def node_major
    Integer(`node -p "process.versions.node.split('.')[0]"`)
  end

  # Nodes that have writeInformation refuse hints behind the head.
  def answers_have?(method)
    `node -p "'#{method}' in http.ServerResponse.prototype"`.strip == "true"
  end

  def servers_ask?
    `node -p "'shouldUpgradeCallback' in http.createServer()"`.strip == "true"
  end

  # Of the same form for both. Whether httpd knows the length depends on the moments of the pieces.
  def seen(answer)
    left_out = %w[date etag content-length transfer-encoding]
    head = answer.to_hash.reject { |name, _| left_out.include?(name) }
    [answer.code, head, answer.body&.gsub(/:\d{4,5}"/, ":PORT\"")]
  end

  def assert_told(site, event)
    @told = []
    eventually(event) { (@told += events(site)).include?(event) }
  end

  def events(site)
    client(site).get("/events").body.lines(chomp: true)
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end
end
