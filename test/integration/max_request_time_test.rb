# frozen_string_literal: true

require_relative "support/integration_test"

# PassengerMaxRequestTime: requests that take an instance too long.
class MaxRequestTimeTest < IntegrationTest
  # A child sees within a second that its request has begun; the backtraces have another second.
  LIMIT = 1
  SLACK = 4

  PYTHON = "/usr/bin/python3"
  ASGI = <<~PYTHON
    import asyncio, time

    async def wait_for_the_partner(seconds):
        await asyncio.sleep(seconds)

    async def application(scope, receive, send):
        assert scope["type"] == "http"
        if scope["path"] == "/awaits":
            await wait_for_the_partner(600)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
  PYTHON

  # Longer than the limit, after a head.
  STREAM = <<~'RUBY'
    run(proc do |env|
      next [200, {}, [Process.pid.to_s]] unless env["PATH_INFO"] == "/events"

      events = Enumerator.new { |event| 15.times { event << "data: tick\n\n"; sleep 0.2 } }
      [200, { "Content-Type" => "text/event-stream" }, events]
    end)
  RUBY

  serve do |made|
    made.set("PassengerMaxPoolSize", 4)
    limit = "PassengerMaxInstances 1\nPassengerMaxRequestTime #{LIMIT}\n"
    made.site("rack.test", SampleApps.rack, limit)
    made.site("asgi.test", SampleApps.written(ASGI, "passenger_asgi.py"),
              "#{limit}PassengerPython #{PYTHON}\n")
    made.site("threads.test", SampleApps.rack, "#{limit}PassengerThreadCount 4\n")
    made.site("http.test", SampleApps.copy("http_app"),
              "#{limit}PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
    made.site("stream.test", SampleApps.written(STREAM), limit)
    root = SampleApps.rack
    made.site("htaccess.test", root, "PassengerMaxInstances 1\n<Directory \"#{root}/public\">\n" \
                                     "  AllowOverride All\n</Directory>\n")
    File.write(File.join(root, "public/.htaccess"), "PassengerMaxRequestTime #{LIMIT}\n")
  end

  def test_a_hung_request_is_answered_and_its_instance_replaced
    %w[rack.test htaccess.test].each do |site|
      pid = idle_instance(site)
      assert_given_up(site, "/slow?seconds=60")
      server.log.wait_for(/event=instance.hung .*pid=#{pid}/)
      refute_equal pid, idle_instance(site)
    end
  end

  def test_the_log_says_where_the_instance_was
    idle_instance
    # The instance has a second to write its backtraces.
    in_one_of(3) do
      position = server.log.position
      client.get("/slow?seconds=60")
      server.log.wait_for(/bodies\.rb:\d+:in `slow'/, from: position, within: 10)
    end
  end

  def test_the_log_says_where_a_request_to_an_asgi_application_awaits
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
    # The instance has a second to write its backtraces.
    in_one_of(3) do
      eventually("an answer") { client("asgi.test").get("/").code == "200" }
      position = server.log.position
      client("asgi.test").get("/awaits")
      server.log.wait_for(/Task .* \(GET \/awaits\)/, from: position, within: 10)
      server.log.wait_for(/passenger_asgi\.py", line \d+, in wait_for_the_partner/,
                          from: position, within: 10)
    end
  end

  def test_an_event_stream_has_no_limit_behind_its_head
    # A start may be slow, and so may the head.
    pid = eventually("an instance") { client("stream.test").get("/pid").body[/\A\d+\z/] }
    in_one_of(3) do
      assert_equal 15, client("stream.test").get("/events").body.scan("tick").size
      assert_equal pid, client("stream.test").get("/pid").body
    end
  end

  def test_a_get_is_not_sent_to_another_instance
    seen = File.join(scratch, "seen")
    tries = assert_given_up("rack.test", "/slow?seconds=60&started=#{seen}")
    # A second run by the other instance would come before this.
    idle_instance
    assert_equal tries, File.read(seen).lines.size
  end

  def test_a_request_behind_a_hung_request_is_answered
    in_one_of(3) do
      idle_instance
      hung = Thread.new { client.get("/slow?seconds=60") }
      sleep 0.2
      assert_equal "hello world\n", client.get("/hello").body
      assert_equal "504", hung.value.code
    end
  end

  def test_the_time_in_the_queue_does_not_count
    in_one_of(3) do
      idle_instance
      codes = Array.new(5) { Thread.new { client.get("/slow?seconds=0.5").code } }.map(&:value)
      assert_equal %w[200] * 5, codes
    end
  end

  def test_requests_in_other_threads_of_a_hung_instance_are_not_sent_to_another
    runs = []
    # On a machine that stalls, the instance may end before the late request has begun.
    in_one_of(3) do
      idle_instance("threads.test")
      seen = File.join(scratch, "seen#{runs.size}")
      hung = Thread.new { client("threads.test").get("/slow?seconds=60") }
      # The late request begins when the first one's time is nearly up. Its own limit would come
      # later; it ends with the instance.
      sleep 0.8
      late = Thread.new { client("threads.test").post("/slow?seconds=30&started=#{seen}", "") }
      assert_equal "504", hung.value.code
      assert_includes %w[502 504], late.value.code
      runs << (File.exist?(seen) ? File.read(seen).lines.size : 0)
      assert_equal 1, runs.last
    end
    assert_equal 1, runs.max, "none ran twice"
  end

  def test_an_instance_whose_client_s_process_died_does_not_hang_for_ever
    lines = "PassengerMaxInstances 1\nPassengerMaxRequestTime #{LIMIT}\n"
    made = configuration { |one| one.site("rack.test", SampleApps.rack, lines) }
    with_server(made) do |own|
      pid = eventually("an instance") { own.client.pid }
      started = File.join(scratch, "orphaned")
      hung = own.raw("rack.test").request("GET", "/slow?seconds=600&started=#{started}")
      eventually { File.exist?(started) }
      own.tree.httpd_children.each { |child| Process.kill(:KILL, child.pid) }
      refute_equal pid, eventually("a new instance", within: 60) { own.client.pid }
      hung.close
    end
  end

  def test_the_limit_holds_while_the_application_does_not_read_the_body
    in_one_of(3) do
      idle_instance
      before = Eventually.monotonic
      assert_status(504, client.post("/slow?seconds=60", "x" * 3_000_000))
      assert_operator Eventually.monotonic - before, :<, LIMIT + SLACK
    end
  end

  def test_an_answer_without_an_end_is_cut
    in_one_of(3) do
      idle_instance("http.test")
      raw = server.raw("http.test")
      before = Eventually.monotonic
      assert_equal 200, raw.request("GET", "/endless").read_head.status
      assert_raises(EOFError, Errno::ECONNRESET) { loop { raw.read_chunk } }
      assert_operator Eventually.monotonic - before, :<, LIMIT + SLACK
    ensure
      raw&.close
    end
    eventually("a new instance") { client("http.test").get("/").code == "200" }
  end

  private

  # The pid of an instance. On a machine that stalls, any request may exceed its time.
  def idle_instance(site = "rack.test")
    eventually("an instance") { client(site).pid }
  end

  # Returns the number of tries.
  def assert_given_up(site, path)
    tries = 0
    in_one_of(3) do
      tries += 1
      before = Eventually.monotonic
      assert_status(504, client(site).get(path))
      assert_includes LIMIT..(LIMIT + SLACK), Eventually.monotonic - before
    end
    server.log.wait_for(/PassengerMaxRequestTime/)
    tries
  end
end
