# frozen_string_literal: true

require_relative "support/integration_test"

# Applications in any language that serve HTTP on $PORT or on a Unix socket:
# PassengerAppStartCommand.
class HttpAppsTest < IntegrationTest
  COMMAND = "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n"
  ON_A_SOCKET = "PassengerAppStartCommand \"SOCKET=$PASSENGER_SOCKET #{RbConfig.ruby} server.rb\"\n"
  ONE = "PassengerForceMaxConcurrentRequestsPerProcess 1\n"
  ONLY = "PassengerMaxInstances 1\n"

  serve do |made|
    made.set("PassengerMaxPoolSize", 8)
    made.site("http.test", SampleApps.copy("http_app"), "#{COMMAND}SetEnv GREETING hello\n")
    made.site("socket.test", SampleApps.copy("http_app"), ON_A_SOCKET)
    made.site("many.test", SampleApps.copy("http_app"), COMMAND + ONLY)
    made.site("one.test", SampleApps.copy("http_app"), COMMAND + ONLY + ONE)
  end

  def setup
    @position = server.log.position
  end

  def test_an_application_is_served_on_its_port
    assert_match(/\Ahello from \d+\z/, assert_status(200, client.get("/")).body)
  end

  def test_an_application_is_served_on_its_unix_socket
    assert_match(/\Ahello from \d+\z/, assert_status(200, client("socket.test").get("/")).body)
    path = environment("socket.test").fetch("PASSENGER_SOCKET")
    assert_equal "700", format("%o", File.stat(File.dirname(path)).mode & 0o777)
  end

  def test_static_files_stay_httpds
    assert_equal "static\n", client.get("/static.txt").body
  end

  def test_the_application_runs_as_its_owner_in_its_folder_with_its_environment
    assert_equal server.configuration.sites.first.root, client.get("/cwd").body
    assert_equal Etc.getpwnam(TestEnvironment.web_user).uid.to_s, client.get("/user").body
    assert_equal %w[hello production], environment("http.test").values_at("GREETING", "NODE_ENV")
  end

  def test_the_request_has_the_clients_headers_and_address
    head = client.get("/head?a=%20b", "X-Forwarded-For" => "9.9.9.9", "X-Odd" => "1",
                      "TE" => "gzip").body
    assert_match(%r{\AGET /head\?a=%20b HTTP/1\.1\r\nHost: http\.test:\d+\r\n}, head)
    assert_match(/^X-Forwarded-For: 9\.9\.9\.9, 127\.0\.0\.1\r$/, head)
    assert_match(/^X-Odd: 1\r$/, head)
    refute_match(/^(connection|te|transfer-encoding|content-length):/i, head)
  end

  def test_bodies_reach_the_application_with_and_without_a_length
    [0, 1, 3_000, 300_000, 3_000_000].each do |size|
      body = "x" * size
      assert_equal body, client.post("/echo", body).body
    end
    assert_equal "y" * 300_000, client.post_stream("/echo", StringIO.new("y" * 300_000)).body
  end

  # The answer's length is that of the body.
  def test_a_body_of_a_head_request_reaches_the_application
    bodies = { { "Content-Length" => "5" } => "hello",
               { "Transfer-Encoding" => "chunked" } => "7\r\nchunked\r\n0\r\n\r\n" }
    lengths = bodies.map do |head, body|
      raw = server.raw.request("HEAD", "/echo", head).write(body)
      raw.response(head: true)["Content-Length"]
    end
    assert_equal %w[5 7], lengths
  end

  def test_a_body_that_is_broken_off_never_looks_whole_to_the_application
    parts = [[{ "Content-Length" => "300000" }, "x" * 100_000],
             [{ "Transfer-Encoding" => "chunked" }, "4\r\nbody\r\n"]]
    parts.each do |headers, part|
      raw = server.raw("one.test").request("POST", "/note", headers).write(part)
      sleep 0.2
      raw.close
    end
    assert_equal "0", client("one.test").get("/notes").body
    assert_equal "noted", client("one.test").post("/note", "whole").body
    assert_equal "1", client("one.test").get("/notes").body
  end

  def test_a_client_that_leaves_within_an_answer_frees_the_instance
    assert_seconds_below(5) do
      raw = server.raw("one.test").request("GET", "/endless")
      assert_equal 200, raw.read_head.status
      raw.close
      seconds { assert_status 200, client("one.test").get("/pid") }
    end
  end

  def test_an_application_gets_all_requests_at_once_unless_there_is_a_limit
    assert_operator seconds_for_four("one.test"), :>, 1.1
    assert_seconds_below(1.1, "four at once") { seconds_for_four("many.test") }
  end

  private

  def environment(site)
    client(site).get("/env").body.lines(chomp: true).to_h { |line| line.split("=", 2) }
  end

  def seconds_for_four(site)
    client(site).get("/")
    seconds do
      Array.new(4) { Thread.new { client(site).get("/slow") } }
        .each { |thread| assert_status 200, thread.value }
    end
  end
end
