# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/integration_test"

# Event streams without an event hold the places of an application: does it get further instances
# for them, is the application served besides, and do other applications get room?
class WaitingStreamsTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  PYTHON = "/usr/bin/python3"
  POOL = 4
  STREAMS = 40
  # Other applications.
  GUESTS = 3
  MPM = "StartServers 2\nServerLimit 4\nThreadsPerChild 64\nMaxRequestWorkers 256\n" \
        "MaxConnectionsPerChild 0\n"

  COMMAND = <<~'JS'
    require("http").createServer((request, response) => {
        if (request.url.startsWith("/stream")) {
            response.writeHead(200, { "Content-Type": "text/event-stream" });
            response.write(": hello\n\n");
        } else {
            response.end(String(process.pid));
        }
    }).listen(process.env.PORT);
  JS
  # All wait until the gate exists; `/compute` takes a third of a core meanwhile.
  RACK = <<~'RUBY'
    Silence = Struct.new(:gate) do
      def each
        yield ": hello\n\n"
        pass
      end

      def pass
        sleep 0.1 until File.exist?(gate)
      end
    end

    def compute(gate)
      until File.exist?(gate)
        20_000.times { |i| i * i }
        sleep 0.002
      end
    end

    OPEN = Queue.new
    run(lambda do |env|
      gate = env["QUERY_STRING"]
      case env["PATH_INFO"]
      when "/stream" then return [200, { "content-type" => "text/event-stream" }, Silence.new(gate)]
      when "/poll" then Silence.new(gate).pass
      when "/compute" then compute(gate)
      when "/hijack"
        io = env["rack.hijack"].call
        io.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n")
        OPEN << io.tap(&:flush)
      end
      [200, { "content-type" => "text/plain" }, [Process.pid.to_s]]
    end)
  RUBY
  WSGI = <<~'PYTHON'
    import os, time

    def silence(gate):
        yield b": hello\n\n"
        while not os.path.exists(gate):
            time.sleep(0.1)

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/stream":
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return silence(environ["QUERY_STRING"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
  PYTHON
  KINDS = %w[command limited ruby poll wsgi compute hijack].freeze

  serve do |made|
    made.mpm = "event"
    made.mpm_settings = MPM
    made.set("PassengerMaxPoolSize", POOL)
    made.set("PassengerMinInstances", 0) # the applications of other tests give room
    node = "PassengerAppStartCommand \"exec node server.js\"\n"
    made.site("command.test", SampleApps.written(COMMAND, "server.js"), node)
    made.site("limited.test", SampleApps.written(COMMAND, "server.js"),
              "#{node}PassengerForceMaxConcurrentRequestsPerProcess 2\n")
    %w[ruby poll compute hijack].each { |name| made.site("#{name}.test", SampleApps.written(RACK)) }
    made.site("wsgi.test", SampleApps.written(WSGI, "passenger_wsgi.py"),
              "PassengerPython #{PYTHON}\nPassengerThreadCount 2\n")
    KINDS.each do |kind|
      GUESTS.times { |number| made.site("beside-#{kind}#{number}.test", SampleApps.rack) }
    end
  end

  def setup
    @raws = []
    @gate = File.join(scratch, "gate")
  end

  def teardown
    FileUtils.touch(@gate)
    @raws.each(&:close)
  end

  def test_one_process_of_a_command_has_all_streams_and_answers_others
    skip "there is no node" unless NODE
    pid = client("command.test").get("/").body
    streams = open_raws("command.test", "/stream", STREAMS)
    eventually("all streams have begun") { streams.all? { |raw| raw.arrived?(0) } }
    assert_equal pid, client("command.test").get("/").body
    eventually("all places are free") { instances("command.test") == [["serving", 0]] }
    assert_beside("command")
    assert_equal pid, client("command.test").get("/").body
  end

  def test_streams_of_a_command_with_a_limit_do_not_hold_the_pool
    skip "there is no node" unless NODE
    assert_room_beside_streams("limited", 2)
  end

  def test_streams_of_ruby_do_not_hold_the_pool
    assert_room_beside_streams("ruby", 1)
  end

  def test_long_polls_of_ruby_do_not_hold_the_pool
    assert_room_beside_streams("poll", 1, "/poll")
  end

  def test_streams_of_wsgi_do_not_hold_the_pool
    skip "needs python" unless File.executable?(PYTHON)
    assert_room_beside_streams("wsgi", 2)
  end

  def test_a_hijacked_stream_takes_no_place
    client("hijack.test").get("/")
    streams = open_raws("hijack.test", "/hijack", STREAMS)
    eventually("all streams have begun") { streams.all? { |raw| raw.arrived?(0) } }
    eventually("all places are free") { instances("hijack.test").all? { |one| one.last.zero? } }
    assert_beside("hijack")
  end

  def test_requests_that_compute_hold_the_pool_until_they_end
    open_raws("compute.test", "/compute", POOL)
    eventually("they fill the pool") { instances("compute.test") == [["serving", 1]] * POOL }
    beside = Thread.new { client("beside-compute0.test").get("/hello") }
    eventually("one is to end") { instances("compute.test").include?(["draining", 1]) }
    sleep 3 # an instance that only waits would be known by now
    assert_empty instances("beside-compute0.test")
    FileUtils.touch(@gate)
    assert_status 200, beside.value
  end

  private

  # The streams fill the pool, and more wait in the queue. Another application is served all the
  # same, and the streams of the instance that makes room go on.
  def assert_room_beside_streams(kind, places, path = "/stream")
    site = "#{kind}.test"
    raws = open_raws(site, path, STREAMS)
    eventually("they fill the pool") { instances(site) == [["serving", places]] * POOL }
    assert_beside(kind)
    states = instances(site)
    assert_includes states, ["draining", places]
    assert_equal POOL, states.size
    return if path == "/poll"

    assert_beside_at_once(kind)
    begun = raws.select { |raw| raw.arrived?(0) }
    assert_equal POOL * places, begun.size
    begun.each { |raw| assert_match(/hello/, raw.tap(&:read_head).read_chunk) }
    refute(begun.any? { |raw| raw.arrived?(0) })
  end

  # One after the other: each takes the room of the one before, which is idle then.
  def assert_beside(kind)
    GUESTS.times do |number|
      assert_status 200, client("beside-#{kind}#{number}.test").get("/hello")
    end
  end

  def assert_beside_at_once(kind)
    guests = Array.new(GUESTS) do |number|
      Thread.new { client("beside-#{kind}#{number}.test").get("/hello").code }
    end
    assert_equal %w[200] * GUESTS, guests.map(&:value)
  end

  def open_raws(site, path, count)
    Array.new(count) do
      server.raw(site).tap { |one| @raws << one }.request("GET", "#{path}?#{@gate}")
    end
  end

  # State and number of requests of each instance. Nil: the application was never asked.
  def instances(site)
    root = server.configuration.sites.find { |one| one.name == site }.root
    ControlClient.in(File.join(server.folder, "run")).status["apps"]
                 .find { |one| one["name"].include?(root) }
                 &.fetch("instances")&.map { |one| one.values_at("state", "sessions") }
  end
end
