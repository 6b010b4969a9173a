# frozen_string_literal: true

require "digest"
require "json"
require "open3"
require_relative "support/integration_test"

# Ordinary requests over HTTP/2 (mod_http2, without TLS). slow_clients_test.rb has long answers and
# slow clients.
class Http2Test < IntegrationTest
  MODULE = File.join(TestEnvironment.modules_dir, "mod_http2.so")
  FORENSIC = File.join(TestEnvironment.modules_dir, "mod_log_forensic.so")

  serve do |made|
    # Each child has a cache of its own.
    made.use_one_child
    made.main_directives << "LoadModule http2_module #{MODULE}\nProtocols h2c http/1.1\n" \
                            "LoadModule log_forensic_module #{FORENSIC}\nForensicLog logs/begun\n"
    rack = SampleApps.rack
    made.site("rack.test", rack)
    made.site("streamed.test", rack, "PassengerBufferUpload off\n")
    made.site("http.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
    made.site("one.test", rack, "PassengerAppGroupName one\nPassengerMaxInstances 1\n")
    made.site("cached.test", SampleApps.written(<<~'RUBY'))
      run(proc do |env|
        headers = { "Content-Type" => "text/plain", "Cache-Control" => "public, max-age=60" }
        variables = ENV.keys.grep(/\AH(TTP)?2/).join(" ")
        [200, headers, ["#{env["H2_STREAM_TAG"]} #{rand(1_000_000)} (#{variables})"]]
      end)
    RUBY
    made.site("takes.test", SampleApps.written(<<~'RUBY'))
      run(proc do |env|
        text = "#{env["rack.hijack?"].inspect} #{env["rack.hijack"].nil?}"
        [200, { "Content-Type" => "text/plain" }, [text]]
      end)
    RUBY
  end

  def setup
    skip "needs mod_http2" unless File.exist?(MODULE)
    skip "mod_http2 does not do prefork" if HttpdConfiguration.new.mpm == "prefork"
  end

  def test_uploads_of_all_sizes_arrive_whole
    %w[rack.test streamed.test].each do |site|
      [0, 5, 3_000, 200_000, 3_000_000].each do |size|
        status, _, body = curl("/upload", "--data-binary", "@-", site: site,
                               stdin: Pattern.bytes(size))
        assert_equal [200, size, Pattern.digest(size)],
                     [status, *JSON.parse(body).values_at("size", "sha256")], site
      end
    end
  end

  def test_uploads_without_a_length_arrive_whole
    %w[rack.test streamed.test].each do |site|
      status, _, body = curl("/upload", "-T", "-", "-X", "POST", site: site,
                             stdin: Pattern.bytes(300_000))
      assert_equal [200, Pattern.digest(300_000)], [status, JSON.parse(body)["sha256"]], site
    end
  end

  def test_uploads_reach_applications_that_speak_http
    status, _, body = curl("/echo", "--data-binary", "@-", site: "http.test",
                           stdin: Pattern.bytes(200_000))
    assert_equal [200, Pattern.digest(200_000)], [status, Digest::SHA256.hexdigest(body)]
  end

  def test_the_environment_is_as_over_http_1_1
    status, _, body = curl("/env/a%20b?c=d", "--data-binary", "@-", "-H", "X-Custom: one",
                           stdin: "abc")
    seen = JSON.parse(body)
    assert_equal [200, "HTTP/2.0", "rack.test", "rack.test", "/env/a%20b", "c=d", "3", "one",
                  "POST"],
                 [status, *seen.values_at("SERVER_PROTOCOL", "HTTP_HOST", "SERVER_NAME",
                                          "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH",
                                          "HTTP_X_CUSTOM",
                                          "REQUEST_METHOD")]
    assert_nil seen["HTTP_TRANSFER_ENCODING"]
  end

  def test_an_answer_to_head_has_a_length_and_no_body
    status, head, body = curl("/hello", "--head")
    assert_equal [200, "12", ""], [status, head[/^content-length: (\d+)/i, 1], body]
  end

  # Each stream has another H2_STREAM_TAG. The process has none of mod_http2's variables.
  def test_turbocaching_gives_an_answer_to_other_streams_too
    bodies = Array.new(3) { curl("/", site: "cached.test").last }
    assert_match(/\A[\d-]+ \d+ \(\)\z/, bodies.first)
    assert_equal 1, bodies.uniq.size, bodies
  end

  # A stream of HTTP/2 has no connection that could be handed over.
  def test_hijacking_is_not_offered
    assert_equal "false true", curl("/", site: "takes.test").last
  end

  # The application's only instance is busy meanwhile.
  def test_closing_the_connection_withdraws_a_waiting_request
    with_a_waiting_request(-> { ["curl", *ANY, "http://127.0.0.1:#{server.port}#{path}"] }) do |pid|
      Process.kill("KILL", pid)
    end
  end

  # The client sends RST_STREAM; another request on the same connection is answered.
  def test_resetting_the_stream_withdraws_a_waiting_request
    skip "needs node" unless NODE
    output = with_a_waiting_request(-> { ["node", "-e", RESETS, server.port.to_s, path] }) do |pid|
      Process.kill("USR2", pid)
    end
    assert_equal "other 200\n", output
  end

  private

  ANY = ["--silent", "--http2-prior-knowledge", "--max-time", "60", "--header",
         "Host: one.test"].freeze
  NODE = system("node --version >/dev/null 2>&1")
  # Sends a request that waits. On command, resets it and sends a request to another application.
  RESETS = <<~JAVASCRIPT
    const session = require("http2").connect("http://127.0.0.1:" + process.argv[1]);
    const get = (host, path) => session.request({ ":authority": host, ":path": path });
    const waiting = get("one.test", process.argv[2]);
    waiting.on("error", () => {});
    process.on("SIGUSR2", () => {
      waiting.close(8);
      get("rack.test", "/hello").on("response", (head) => {
        console.log("other", head[":status"]);
        session.destroy();
      }).resume();
    });
  JAVASCRIPT

  # The file where each running request leaves a line.
  def begun
    File.join(scratch, "begun#{@try}")
  end

  def path
    "/slow?seconds=0&started=#{begun}"
  end

  # Returns the client's output. The request is withdrawn within a second.
  def with_a_waiting_request(command, &leave)
    output = nil
    assert_seconds_below(Eventually::PATIENCE, "to withdraw it") do
      @try = @try.to_i + 1
      took, output = withdraw(command.call, &leave)
      took
    end
    output
  end

  # Also returns how many seconds the withdrawal takes.
  def withdraw(command)
    gate = fifo("gate#{@try}")
    busy = Thread.new { server.client("one.test").get("/wait?fifo=#{gate}&started=#{begun}").code }
    eventually("its instance is busy") { File.exist?(begun) }
    output, writer = IO.pipe
    client = Process.spawn(*command, out: writer, err: writer)
    writer.close
    before = given_up
    eventually("httpd has its request") do
      File.read(File.join(server.folder, "logs/begun")).scan("/slow").size > before
    end
    yield client
    took = seconds { eventually("it is withdrawn") { given_up > before } }
    release(gate)
    assert_equal "200", busy.value
    assert_status 200, server.client("one.test").get("/hello")
    assert_equal 1, File.readlines(begun).size, "only the first one has run"
    [took, output.read]
  ensure
    Process.kill("KILL", client) && Process.wait(client) if client
    output&.close
  end

  def given_up
    server.log.count(%r{event=request\.given_up.*client left.*/slow})
  end

  # Returns status, head and body.
  def curl(path, *options, site: "rack.test", stdin: "")
    command = ["curl", "--silent", "--show-error", "--http2-prior-knowledge", "--max-time", "60",
               "--include", *options, "--header", "Host: #{site}",
               "http://127.0.0.1:#{server.port}#{path}"]
    output, error, status = Open3.capture3(*command, stdin_data: stdin, binmode: true)
    assert status.success?, error
    head, body = output.split("\r\n\r\n", 2)
    [head[/\AHTTP\/2 (\d+)/, 1].to_i, head, body]
  end
end
