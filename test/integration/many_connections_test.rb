# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/crowd"
require_relative "support/integration_test"

# WebSockets and event streams of a Node application, of the same as a start command, and of a Ruby
# application, many times more than httpd has threads: what they cost, and what a reload, a drain
# and a deploy do to them. PASSENGER_TEST_CONNECTIONS is their number, of each kind, of each
# application; with it the test prints what each process has used.
class ManyConnectionsTest < IntegrationTest
  include CommandRunner

  # More than httpd has threads.
  COUNT = Integer(ENV.fetch("PASSENGER_TEST_CONNECTIONS", 160))
  # A bridge needs two descriptors for each connection, as the processes of the others need one.
  MOST_OF_A_BRIDGE = Process.getrlimit(:NOFILE).last / 10
  COUNTS = { "node.test" => COUNT, "ruby.test" => COUNT,
             "command.test" => [COUNT, MOST_OF_A_BRIDGE].min }
           .transform_values { |count| count - (count % Crowd::PROCESSES) }.freeze
  # Applications whose event streams end by themselves.
  WAITED_FOR = %w[node.test command.test].freeze
  CONNECTIONS = 2 * COUNTS.values.sum
  # Bytes of httpd and agent for each connection, and for what else they do meanwhile.
  MEMORY_OF_ONE = 4 * 1024
  MEMORY_BESIDES = 40 * 1024 * 1024
  # httpd's own default.
  THREADS = "StartServers 2\nMinSpareThreads 25\nMaxSpareThreads 75\nThreadLimit 64\n" \
            "ThreadsPerChild 25\nMaxRequestWorkers 150\nMaxConnectionsPerChild 0"
  NODE = <<~'JS'
    const fs = require("fs");
    const listening = new Set();
    setInterval(() => {
        if (fs.existsSync(`${__dirname}/tmp/end`)) {
            listening.forEach((one) => one.end("data: last\n\n"));
        }
    }, 100).unref();
    const server = require("http").createServer((request, response) => {
        if (request.url === "/events") {
            response.writeHead(200, { "Content-Type": "text/event-stream" });
            response.write("data: welcome\n\n");
            listening.add(response);
            response.on("close", () => listening.delete(response));
            return;
        }
        if (request.url === "/tell") {
            listening.forEach((one) => one.write("data: news\n\n"));
        }
        response.end(request.url === "/pid" ? String(process.pid) : String(listening.size));
    });
    server.on("upgrade", (request, socket) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
            "Upgrade: capitals\r\n\r\n");
        socket.on("data", (data) => socket.write(String(data).toUpperCase()));
        socket.on("error", () => {});
    });
    server.listen(process.env.PORT);
  JS
  # One thread has all connections.
  RUBY = <<~'RUBY'
    $new = Queue.new
    $wake, $woken = IO.pipe.reverse
    $listening = []
    $talking = {}

    def serve
      loop do
        ready, = IO.select([$woken, *$talking.keys])
        ready.each do |io|
          data = io.read_nonblock(4096, exception: false)
          next if data == :wait_readable

          if io == $woken
            $talking[$new.pop] = true until $new.empty?
          elsif data
            io.write(data.upcase)
          else
            $talking.delete(io)
            io.close
          end
        rescue SystemCallError
          $talking.delete(io)
        end
      end
    end

    def chunk(text)
      "#{text.bytesize.to_s(16)}\r\n#{text}\r\n"
    end

    $thread = nil
    run(lambda do |env|
      $thread ||= Thread.new { serve }
      case env["PATH_INFO"]
      when "/events"
        keep = lambda do |io|
          io.write(chunk("data: welcome\n\n"))
          $listening << io
        end
        [200, { "Content-Type" => "text/event-stream", "Transfer-Encoding" => "chunked",
                "rack.hijack" => keep }, []]
      when "/upgrade"
        keep = lambda do |io|
          $new << io
          $wake.write("x")
        end
        [101, { "Upgrade" => "capitals", "Connection" => "Upgrade", "rack.hijack" => keep }, []]
      else
        $listening.each { |io| io.write(chunk("data: news\n\n")) } if env["PATH_INFO"] == "/tell"
        [200, { "Content-Type" => "text/plain" }, [$listening.size.to_s]]
      end
    end)
  RUBY

  def setup
    @crowd = Crowd.new
  end

  def teardown
    @crowd.finish
  end

  def test_they_hold_no_thread_outlive_a_reload_and_a_drain_and_end_with_their_instances
    with_server(made) do |server|
      COUNTS.each_key { |site| assert_equal "0", server.client(site).get("/").body }
      latency(server)
      measure("hello alone") { @before = latency(server) }
      growth = measure("#{CONNECTIONS} connections open") { open_all }
      measure("hello beside them") { say "p99 of hello: #{@before} ms, #{latency(server)} ms" }
      measure("a message to and from each") { assert_all_there }
      ours = growth.select { |process, _| process.match?(/apache2|httpd|passenger-agent/) }
      assert_operator ours.values.sum, :<, (MEMORY_OF_ONE * CONNECTIONS) + MEMORY_BESIDES
      measure("ten idle seconds") { sleep 10 } if reports?
      measure("a graceful reload") { reload }
      measure("a drain") { drain }
      measure("a deploy") { deploy }
      measure("all come again") { open_all }
      assert_all_there
    end
  end

  private

  def made
    configuration do |one|
      one.mpm = "event"
      one.mpm_settings = THREADS
      single = "PassengerMinInstances 1\nPassengerMaxInstances 1\n"
      one.site("node.test", SampleApps.written(NODE, "app.js"), single)
      one.site("command.test", SampleApps.written(NODE, "server.js"),
               "#{single}PassengerAppStartCommand \"exec node server.js\"\n")
      one.site("ruby.test", SampleApps.written(RUBY), single)
      one.site("hello.test", SampleApps.rack, single)
    end
  end

  def open_all
    COUNTS.each do |site, count|
      assert_equal({ 101 => count, 200 => count }, @crowd.open(commanded.port, site, count))
      assert_equal({ "data: welcome\n\n" => count }, @crowd.call(:events, site))
    end
  end

  def assert_all_there
    COUNTS.each do |site, count|
      assert_equal count.to_s, commanded.client(site).get("/tell").body
      assert_equal({ "data: news\n\n" => count }, @crowd.call(:events, site))
      assert_equal({ "HELLO\n" => count }, @crowd.call(:echoes, site))
    end
  end

  # No old child stays for a connection.
  def reload
    old = commanded.tree.httpd_children.map(&:pid)
    commanded.graceful
    eventually("the old children's end") { (commanded.tree.descending.map(&:pid) & old).empty? }
    assert_all_there
  end

  # They are no requests in work.
  def drain
    succeed(CONFIG, "drain", "--all", "--wait=10")
    assert_all_there
    succeed(CONFIG, "undrain", "--all")
  end

  # The event streams of old instances go on; WebSockets end with the instances.
  def deploy
    old = COUNTS.keys.map { |site| pid(site.delete_suffix(".test")) }
    COUNTS.each_key { |site| succeed(CONFIG, "restart-app", root_of(site), "--wait=60") }
    COUNTS.each_key { |site| assert_equal "0", commanded.client(site).get("/").body }
    %i[upgraded events].each { |kind| assert_ended("ruby.test", kind) }
    WAITED_FOR.each { |site| finish_streams(site) }
    eventually("the end of the old instances") { (commanded.tree.pids & old).empty? }
    WAITED_FOR.each { |site| FileUtils.rm(File.join(root_of(site), "tmp/end")) }
  end

  def finish_streams(site)
    assert_equal({ "HELLO\n" => COUNTS[site] }, @crowd.call(:echoes, site))
    FileUtils.touch(File.join(root_of(site), "tmp/end"))
    assert_equal({ "data: last\n\n" => COUNTS[site] }, @crowd.call(:events, site))
    assert_equal({ nil => COUNTS[site] }, @crowd.call(:events, site))
    %i[upgraded events].each { |kind| assert_ended(site, kind) }
  end

  def assert_ended(site, kind)
    assert_equal COUNTS[site], @crowd.call(:ends, site, kind)
  end

  def root_of(site)
    root(site.delete_suffix(".test"))
  end

  # The 99th percentile of the answer to a small request, in milliseconds.
  def latency(server)
    client = server.client("hello.test")
    times = Array.new(reports? ? 1000 : 100) do
      begun = monotonic
      assert_equal "200", client.get("/hello").code
      monotonic - begun
    end
    (times.sort[(times.size * 99 / 100) - 1] * 1000).round(2)
  end

  # Bytes by which each process has grown. Prints that, and the seconds of processor time.
  def measure(what)
    before = usage
    took = seconds { yield }
    now = usage
    say format("%s: %.1f s", what, took)
    now.to_h do |process, (memory, ticks)|
      old = before.fetch(process, [0, 0])
      grown = memory - old.first
      computed = (ticks - old.last) / 100.0
      if grown.abs > 100_000 || computed > 0.05
        say format("  %-75s %7.1f MB, now %7.1f MB, %6.2f s", process, grown / 1e6, memory / 1e6,
                   computed)
      end
      [process, grown]
    end
  end

  # Memory and processor time of each process.
  def usage
    commanded.tree.processes.to_h do |process|
      ["#{process.pid} #{process.command_line[0, 60]}", [process.memory.to_i, process.ticks]]
    end
  end

  # For people: times are those of this machine.
  def say(line)
    puts line if reports?
  end

  def reports?
    ENV.key?("PASSENGER_TEST_CONNECTIONS")
  end
end
