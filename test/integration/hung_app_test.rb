# frozen_string_literal: true

require_relative "support/integration_test"

# An application that never answers: the httpd threads that it takes, and those that become free
# when its clients leave.
class HungAppTest < IntegrationTest
  MPM = {
    "event" => "StartServers 1\nServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\n" \
               "MaxConnectionsPerChild 0",
    "worker" => "StartServers 1\nServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\n" \
                "MaxConnectionsPerChild 0",
    "prefork" => "StartServers 16\nMinSpareServers 1\nMaxSpareServers 16\nMaxRequestWorkers 16"
  }.freeze
  SHARE = 14
  NODE = system("node --version >/dev/null 2>&1")
  HTTP2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")
  # `/open` tells how many requests are in work whose clients have not gone.
  SILENCE = <<~'JAVASCRIPT'
    let open = 0;
    require("http").createServer((request, response) => {
      if (request.url === "/open") return response.end(String(open));
      open++;
      response.on("close", () => open--);
    }).listen(3000);
  JAVASCRIPT

  MPM.each do |mpm, settings|
    define_method("test_an_application_that_hangs_cannot_take_all_threads_of_#{mpm}") do
      with_server(hung(mpm, settings)) do |server|
        while_hung(server, 40) do |clients|
          # The count may be wrong by the number of requests that begin together.
          refused = clients.size - SHARE - 2
          eventually("#{refused} refusals") { clients.count(&:answer) >= refused }
          answers = clients.filter_map(&:answer)
          assert_equal [503], answers.map(&:status).uniq
          assert_match(/\A\d+\z/, answers.first["Retry-After"])
          assert_equal "hello world\n", server.client("other.test").get("/hello").body
          assert_equal "a static file\n", server.client("hung.test").get("/static.txt").body
          server.log.wait_for(/share of httpd's threads/)
          assert_seconds_below(0.05 * PATIENCE, "a refusal") { refusal_time(server) }
        end
      end
    end
  end

  def test_128_clients_that_leave_free_their_threads_within_a_second
    settings = "StartServers 1\nServerLimit 1\nThreadLimit 200\nThreadsPerChild 200\n" \
               "MaxRequestWorkers 200\nMaxConnectionsPerChild 0"
    with_server(hung("event", settings, "PassengerMaxRequestQueueSize 0\n")) do |server|
      # A second, and what it takes to ask.
      assert_seconds_below(1.5 * PATIENCE, "the return of the threads") do
        while_hung(server, 128) do |clients|
          eventually("all wait") { busy_threads(server) >= 128 }
          clients.each(&:close)
          seconds { eventually("free threads") { busy_threads(server) <= 2 } }
        end
      end
    end
  end

  # The application works at 32 requests at once.
  THREADS = 128
  LEAVING = 80
  OF_128_THREADS = MPM.transform_values do |settings|
    settings.gsub(/\b16\b/, THREADS.to_s).sub("ServerLimit 1\n", "ServerLimit 1\nThreadLimit 128\n")
            .sub("StartServers 128", "StartServers 16\nServerLimit 128")
  end.freeze

  # A half-closed client looks as one that has closed.
  WAYS = { close: :close, reset: :abort, half_close: :close_write }.freeze

  OF_128_THREADS.each do |mpm, settings|
    define_method("test_240_clients_that_close_reset_or_half_close_free_the_threads_of_#{mpm}") do
      skip "needs node" unless NODE
      with_server(silent(mpm, settings)) do |server|
        WAYS.each do |name, way|
          assert_seconds_below(1.5 * PATIENCE, "the return of the threads after #{name}") do
            threads_free_after(server, way)
          end
        end
        assert_equal "hello world\n", server.client("other.test").get("/hello").body
      end
    end
  end

  # The threads of mod_http2 are no threads of the MPM.
  def test_requests_over_http2_have_a_share_of_threads_of_their_own
    skip "needs node and mod_http2" unless NODE && File.exist?(HTTP2)
    with_server(silent("event", MPM["event"], http2: 24)) do |server|
      over_http2(server, 3) do |refusals|
        eventually("all streams are in work") { open_requests(server) == 18 }
        # The three connections count for the share of the MPM's threads, too.
        waiting = Array.new(SHARE - 4) { server.raw("silent.test").request("GET", "/") }
        eventually("others are, too") { open_requests(server) == 18 + SHARE - 4 }
        assert_empty refusals.call
        waiting.each(&:close)
      end
      wait_until_all_have_left(server)
      over_http2(server, 5) do |refusals|
        # More are refused where requests begin together, and mod_http2 may hold a few back.
        eventually("the share of 21 threads is taken") do
          refusals.call.any? && (15..21).cover?(open_requests(server))
        end
        server.log.wait_for(/its share of mod_http2's threads: 21 requests/)
        assert_equal ["503"], refusals.call.uniq
        assert_operator open_requests(server), :<=, 21
      end
      wait_until_all_have_left(server)
      over_http2(server, 24, streams: 1) do |refusals|
        eventually("the MPM's share is taken") { refusals.call.size >= 24 - SHARE - 2 }
        assert_equal "hello world\n", server.client("other.test").get("/hello").body
      end
    end
  end

  # Reads its answer as soon as one arrives, and closes.
  class Client
    attr_reader :answer

    def initialize(raw)
      @raw = raw.request("GET", "/hello", "Connection" => "close")
      @reader = Thread.new { take }
    end

    def close
      @reader.kill.join
      @raw.close
    end

    private

    def take
      @answer = @raw.response
    rescue EOFError, SystemCallError
      nil
    ensure
      @raw.close
    end
  end

  private

  def hung(mpm, settings, directives = "")
    configuration do |made|
      made.mpm = mpm
      made.mpm_settings = settings
      status = File.join(TestEnvironment.modules_dir, "mod_status.so")
      made.main_directives << "LoadModule status_module #{status}\n"
      made.site("hung.test", SampleApps.rack, "PassengerMaxInstances 1\n#{directives}")
      made.site("other.test", SampleApps.rack,
                "<Location /server-status>\n  SetHandler server-status\n</Location>\n")
    end
  end

  def silent(mpm, settings, http2: nil)
    configuration do |made|
      if http2
        made.main_directives << "LoadModule http2_module #{HTTP2}\nProtocols h2c http/1.1\n" \
                                "H2MaxWorkers #{http2}\n"
      end
      made.mpm = mpm
      made.mpm_settings = settings
      status = File.join(TestEnvironment.modules_dir, "mod_status.so")
      made.main_directives << "LoadModule status_module #{status}\n"
      made.site("silent.test", SampleApps.written(SILENCE, "app.js"), "PassengerMaxInstances 1\n")
      made.site("other.test", SampleApps.rack,
                "<Location /server-status>\n  SetHandler server-status\n</Location>\n")
    end
  end

  # Seconds until the threads of eighty clients are free that leave in this way. The application
  # has seen all of them go.
  def threads_free_after(server, way)
    clients = Array.new(LEAVING) { server.raw("silent.test", timeout: 60).request("GET", "/") }
    eventually("all wait") { busy_threads(server) >= LEAVING }
    clients.each(&way)
    took = seconds { eventually("free threads") { busy_threads(server) <= 2 } }
    eventually("none is open") { server.client("silent.test").get("/open").body == "0" }
    took
  ensure
    clients&.each(&:close)
  end

  # Opens connections with streams. mod_http2 works at six of each at once until one has ended.
  STREAMS = <<~'JAVASCRIPT'
    for (let i = 0; i < Number(process.argv[2]); i++) {
      const session = require("http2").connect("http://127.0.0.1:" + process.argv[1]);
      for (let j = 0; j < Number(process.argv[3]); j++) {
        session.request({ ":authority": "silent.test", ":path": "/" })
          .on("response", (head) => console.log(head[":status"])).resume();
      }
    }
  JAVASCRIPT

  # Runs the block while the streams of so many connections wait. The block gets a function that
  # returns the statuses of those that were refused.
  def over_http2(server, connections, streams: 6)
    output = File.join(scratch, "statuses-#{rand(1 << 32)}")
    client = Process.spawn("node", "-e", STREAMS, server.port.to_s, connections.to_s, streams.to_s,
                           out: output)
    yield -> { File.readlines(output, chomp: true) }
  ensure
    Process.kill("KILL", client) && Process.wait(client) if client
  end

  # The application learns of a request's end before httpd's count of requests does.
  def wait_until_all_have_left(server)
    eventually("all have left") { open_requests(server).zero? && busy_threads(server).zero? }
  end

  def open_requests(server)
    server.client("silent.test").get("/open").body.to_i
  end

  # Runs the block while `count` clients wait for the application, beside the one in work.
  def while_hung(server, count)
    %w[hung.test other.test].each do |site|
      assert_equal "200", server.client(site).get("/hello").code
    end
    path = fifo("never-#{rand(1 << 32)}")
    started = "#{path}.started"
    first = server.raw("hung.test").request("GET", "/wait?fifo=#{path}&started=#{started}")
    eventually { File.exist?(started) }
    clients = Array.new(count - 1) { Client.new(server.raw("hung.test", timeout: 60)) }
    yield clients
  ensure
    release(path)
    [first, *clients].compact.each(&:close)
  end

  # The median in seconds: this machine may have other work.
  def refusal_time(server)
    times = Array.new(21) do
      before = Eventually.monotonic
      assert_equal "503", server.client("hung.test").get("/hello").code
      Eventually.monotonic - before
    end
    times.sort[10]
  end

  # The status request itself does not count.
  def busy_threads(server)
    server.client("other.test").get("/server-status?auto").body[/^BusyWorkers: (\d+)/, 1].to_i - 1
  end
end
