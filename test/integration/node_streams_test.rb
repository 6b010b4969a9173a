# frozen_string_literal: true

require_relative "support/integration_test"

# One Node process has all requests at once, so that each finds the others in its memory: event
# streams, long polls, and what comes besides.
class NodeStreamsTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  STREAMS = 300
  POLLS = 200
  MPM = "StartServers 2\nServerLimit 12\nThreadsPerChild 64\nMaxRequestWorkers 768\n" \
        "MaxConnectionsPerChild 0\n"

  # A stream begins at once, a poll is answered by the next /tell. POST /note is written to a file
  # before it waits.
  APP = <<~'JS'
    const fs = require("fs");
    const waiting = { streams: new Set(), polls: new Set(), notes: new Set() };
    const wait = (kind, response) => {
        waiting[kind].add(response);
        response.on("close", () => waiting[kind].delete(response));
    };
    require("http").createServer((request, response) => {
        const [path, text] = request.url.split("?");
        if (path === "/stream") {
            response.writeHead(200, { "Content-Type": "text/event-stream" });
            response.write(`pid: ${process.pid}\n\n`);
            wait("streams", response);
        } else if (path === "/poll") {
            wait("polls", response);
        } else if (path === "/note") {
            fs.appendFileSync("notes", `${text}\n`);
            wait("notes", response);
        } else if (path === "/until") {
            wait("polls", response);
            const timer = setInterval(() => {
                if (fs.existsSync(text)) {
                    clearInterval(timer);
                    response.end(String(process.pid));
                }
            }, 50);
        } else if (path === "/tell") {
            waiting.streams.forEach((stream) => stream.end(`data: ${text}\n\n`));
            waiting.polls.forEach((poll) => poll.end(`${process.pid} ${text}`));
            response.end("told");
        } else {
            const counts = Object.entries(waiting).map(([kind, all]) => [kind, all.size]);
            response.end(JSON.stringify({ pid: process.pid, ...Object.fromEntries(counts) }));
        }
    }).listen(process.env.PORT);
  JS
  COMMAND = "PassengerAppStartCommand \"exec node app.js\"\n"

  serve do |made|
    made.mpm = "event"
    made.mpm_settings = MPM
    made.set("PassengerMaxPoolSize", 6)
    made.site("streams.test", SampleApps.written(APP, "app.js"))
    made.site("command.test", SampleApps.written(APP, "app.js"),
              "#{COMMAND}PassengerForceMaxConcurrentRequestsPerProcess 0\n")
    made.site("limited.test", SampleApps.written(APP, "app.js"),
              "PassengerForceMaxConcurrentRequestsPerProcess 4\nPassengerMaxInstances 3\n")
    made.site("started.test", SampleApps.written(APP, "app.js"), "PassengerStartInstances 2\n")
    made.site("dying.test", SampleApps.written(APP, "app.js"))
  end

  def setup
    skip "there is no node" unless NODE
    @raws = []
  end

  def teardown
    @raws.each(&:close)
  end

  def test_streams_and_polls_are_all_in_one_process
    pid = state("streams.test")["pid"]
    streams = open_raws("streams.test", "/stream", STREAMS)
    polls = open_raws("streams.test", "/poll", POLLS)
    eventually("all wait") { counts("streams.test") == [STREAMS, POLLS] }
    assert_equal "told", client("streams.test").get("/tell?news").body
    assert_equal ["pid: #{pid}\n\ndata: news\n\n"], bodies(streams).uniq
    assert_equal ["#{pid} news"], bodies(polls).uniq
    assert_equal 1, started("streams.test")
  end

  def test_a_command_without_a_limit_has_more_than_256_requests_at_once
    state("command.test")
    polls = open_raws("command.test", "/poll", 280)
    eventually("all wait") { counts("command.test") == [0, 280] }
    client("command.test").get("/tell?news")
    assert_equal 1, bodies(polls).uniq.size
    assert_equal 1, started("command.test")
  end

  def test_with_a_limit_another_process_is_started
    open_raws("limited.test", "/stream", 8)
    eventually("a second process") { started("limited.test") >= 2 }
  end

  def test_as_many_processes_as_are_to_be_started_stay
    state("started.test")
    eventually("two processes") { started("started.test") == 2 }
  end

  def test_no_request_of_many_runs_twice_when_the_process_dies
    pid = state("dying.test")["pid"]
    notes = Array.new(100) { |i| raw("dying.test").request("POST", "/note?#{i}") }
    eventually("all wait") { state("dying.test")["notes"] == 100 }
    Process.kill(:KILL, pid)
    assert_equal [502], notes.map { |note| note.response.status }.uniq
    eventually("another process") { state("dying.test")["pid"] != pid }
    written = File.readlines(File.join(root("dying.test"), "notes"))
    assert_equal 100, written.size
    assert_equal written.uniq.size, written.size
  end

  def test_a_restart_answers_the_requests_that_the_old_process_has
    old = state("dying.test")["pid"]
    go = File.join(scratch, "go")
    polls = open_raws("dying.test", "/until?#{go}", 60)
    eventually("all wait") { counts("dying.test") == [0, 60] }
    FileUtils.touch(File.join(root("dying.test"), "tmp/restart.txt"))
    eventually("another process") { state("dying.test")["pid"] != old }
    FileUtils.touch(go)
    assert_equal [old.to_s], bodies(polls).uniq
    eventually("the old process has ended") { !ProcessInfo.read(old)&.alive? }
  end

  private

  def raw(site)
    server.raw(site, timeout: 120).tap { |one| @raws << one }
  end

  def open_raws(site, path, count)
    Array.new(count) { raw(site).request("GET", path, "Connection" => "close") }
  end

  def bodies(raws)
    raws.map { |one| one.response.body }
  end

  def state(site)
    client(site).json("/state")
  end

  def counts(site)
    state(site).values_at("streams", "polls")
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end

  def started(site)
    server.log.text.scan(/event=instance\.started app="#{root(site)}/).size
  end
end
