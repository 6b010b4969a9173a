# frozen_string_literal: true

require_relative "support/integration_test"

# WebSockets and event streams of a Node application, of the same as a start command, and of a Ruby
# application, many times more than httpd has threads.
class ManyConnectionsTest < IntegrationTest
  # Of each kind, of each application.
  COUNT = Integer(ENV.fetch("PASSENGER_TEST_CONNECTIONS", 500))
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze
  SITES = %w[node.test command.test ruby.test].freeze
  CONNECTIONS = 2 * COUNT * SITES.size
  # Bytes of httpd and agent for each connection.
  MEMORY_OF_ONE = 4 * 1024
  # httpd's own default.
  THREADS = "StartServers 2\nMinSpareThreads 25\nMaxSpareThreads 75\nThreadLimit 64\n" \
            "ThreadsPerChild 25\nMaxRequestWorkers 150\nMaxConnectionsPerChild 0"
  NODE = <<~'JS'
    const listening = new Set();
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
        response.end(String(listening.size));
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
    Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
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
    @soft, hard = Process.getrlimit(:NOFILE)
    Process.setrlimit(:NOFILE, [hard, CONNECTIONS + 1000].max)
  end

  def teardown
    Process.setrlimit(:NOFILE, @soft, Process.getrlimit(:NOFILE).last)
  end

  def test_they_hold_no_thread_and_hardly_any_memory_of_httpd
    with_server(made) do |server|
      SITES.each { |site| assert_equal "0", server.client(site).get("/").body }
      before = latency(server)
      opened = Hash.new { |hash, key| hash[key] = [] }
      _, growth = MemorySampler.new(server.tree).during do
        SITES.each { |site| open_all(server, site, opened) }
      end
      report(before, latency(server))
      SITES.each { |site| assert_equal COUNT.to_s, server.client(site).get("/tell").body }
      assert_equal(["data: news\n\n"], opened[:events].map(&:read_chunk).uniq)
      opened[:upgraded].each { |raw| raw.write("hello\n") }
      assert_equal(["HELLO\n"], opened[:upgraded].map { |raw| raw.read_bytes(6) }.uniq)
      ours = growth.select { |process, _| process.match?(/apache2|httpd|passenger-agent/) }
      assert_operator ours.values.sum, :<, (MEMORY_OF_ONE * CONNECTIONS) + (40 * 1024 * 1024)
      opened.values.flatten.each(&:close)
    end
  end

  private

  def made
    configuration do |one|
      one.mpm = "event"
      one.mpm_settings = THREADS
      # A bridge passes on a quarter as many connections at once as it may have descriptors.
      one.descriptor_limit = [(COUNT * 8) + 1000, 4096].max
      single = "PassengerMinInstances 1\nPassengerMaxInstances 1\n"
      one.site("node.test", SampleApps.written(NODE, "app.js"), single)
      one.site("command.test", SampleApps.written(NODE, "server.js"),
               "#{single}PassengerAppStartCommand \"exec node server.js\"\n")
      one.site("ruby.test", SampleApps.written(RUBY), single)
      one.site("hello.test", SampleApps.rack, single)
    end
  end

  def open_all(server, site, opened)
    COUNT.times do
      raw = server.raw(site)
      assert_equal 101, raw.request("GET", "/upgrade", UPGRADE).read_head.status
      opened[:upgraded] << raw
      raw = server.raw(site)
      assert_equal 200, raw.request("GET", "/events").read_head.status
      assert_equal "data: welcome\n\n", raw.read_chunk
      opened[:events] << raw
    end
  end

  # The 99th percentile of the answer to a small request, in milliseconds.
  def latency(server)
    client = server.client("hello.test")
    times = Array.new(1000) do
      begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      assert_equal "200", client.get("/hello").code
      Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun
    end
    (times.sort[989] * 1000).round(2)
  end

  # For people: the time is that of this machine.
  def report(before, after)
    return unless ENV.key?("PASSENGER_TEST_CONNECTIONS")

    puts "#{CONNECTIONS} connections: p99 of a small request #{before} ms before, " \
         "#{after} ms with them"
  end
end
