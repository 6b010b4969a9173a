# frozen_string_literal: true

require "fileutils"

require_relative "process_test_case"
require_relative "runs_node"
require_relative "runs_python"

module PhusionPassenger
  # The requests of PassengerWarmUp, which a SERVE brings: an instance answers them before it says
  # READY.
  class AppInstanceWarmUpTest < ProcessTestCase
    FAILED = 52
    SERVE = 55
    READY = 56
    # Answers with the paths that it was asked for so far.
    APP = <<~'RUBY'
      seen = []
      body = Struct.new(:text) do
        def each = yield(text)
        def close = warn("closed")
      end
      PhusionPassenger.on_event(:starting_worker_process) { seen << "hook" }
      run(lambda do |env|
        path = env["PATH_INFO"]
        seen << "#{path}?#{env['QUERY_STRING']}"
        raise "on purpose" if path == "/raises"
        exit if path == "/exits"
        sleep if path == "/hangs"
        status = path == "/fails" ? 503 : 200
        [status, { "content-type" => "text/plain" }, body.new(seen.join(" "))]
      end)
    RUBY
    HOOK = "hook "
    FILE = "warm.ru"

    def setup
      super
      @root = Dir.mktmpdir("passenger-test")
      File.write(File.join(@root, self.class::FILE), self.class::APP)
      @instance = loaded("instance", "warm.ru", { app_root: @root }.merge(more_options))
    end

    def teardown
      super
    ensure
      FileUtils.rm_rf(@root) if @root
    end

    def test_the_requests_are_answered_before_the_instance_is_ready
      group = warm("/one?a=b", "/two")
      app = 'app="/srv/probe \(test\)"'
      assert_match(%r{event=warm_up\.done #{app} path="/one\?a=b" status=200 ms=\d+\n}, said)
      assert_match(%r{event=warm_up\.done .* path="/two" status=200 ms=\d+\n}, said)
      assert_equal "#{self.class::HOOK}/one?a=b /two? /pid?", paths(group)
    end

    def test_an_instance_without_such_requests_has_none
      group = serve(@instance)
      assert_equal "#{self.class::HOOK}/pid?", paths(group)
      refute_includes said, "warm_up"
    end

    def test_a_request_that_fails_is_logged_and_the_next_one_follows
      group = warm("/fails", "/two")
      assert_match(%r{event=warm_up\.failed app=".*" path="/fails" status=503\n}, said)
      assert_match(%r{event=warm_up\.done .* path="/two" status=200}, said)
      assert_equal "#{self.class::HOOK}/fails? /two? /pid?", paths(group)
    end

    def test_an_exception_is_logged_and_the_next_request_follows
      group = warm("/raises", "/two")
      assert_match(%r{event=warm_up\.failed .* path="/raises" status=500\n}, said)
      assert_includes said, "on purpose"
      assert_match(%r{event=warm_up\.done .* path="/two" status=200}, said)
      assert_equal "#{self.class::HOOK}/raises? /two? /pid?", paths(group)
    end

    def test_a_request_that_hangs_is_given_up_and_the_instance_serves
      group = warm("/hangs", "/two", limit: 300)
      reason = "no answer within 300 ms of the instance's start"
      assert_match(%r{event=warm_up\.failed .* path="/hangs" reason="#{reason}"\n}, said)
      refute_match(%r{/two}, said)
      assert_equal "#{self.class::HOOK}/hangs? /pid?", paths(group)
    end

    def test_the_body_of_an_answer_is_closed
      skip "bodies are not closed there" unless self.class::APP.include?("closed")
      warm("/one")
      assert_equal 1, said.scan("closed").size
    end

    def test_an_application_that_exits_in_such_a_request_serves
      skip "the process ends there" if self.class::FILE == "warm.js"
      group = warm("/exits")
      assert_match(%r{event=warm_up\.failed .* path="/exits" }, said)
      assert_equal "#{self.class::HOOK}/exits? /pid?", paths(group)
    end

    def test_an_instance_ends_if_the_agent_goes_during_a_request
      write_serve(closing(Peers::Group.new), ["/hangs"], 600_000)
      @instance.control.close
      in_time { @instance.output.read }
    end

    def test_the_next_pool_process_gets_no_further_warm_up
      warm("/one").end_queue
      group = warm("/two")
      assert_equal "#{self.class::HOOK}/one? /pid?", paths(group)
    end

    private

    def more_options
      {}
    end

    def warm(*targets, limit: 60_000)
      closing(Peers::Group.new).tap do |group|
        write_serve(group, targets, limit)
        frame = @instance.read
        assert_equal READY, frame&.type, -> { @instance.output.read }
      end
    end

    def write_serve(group, targets, limit)
      @instance.control.write(SERVE, 0, 1, "/srv/probe (test)", 0, 0, 0, 0, 0, limit,
                              *targets.map { |target| environment(target) },
                              descriptors: [group.receiver, group.claims, group.withdrawals])
    end

    def environment(target)
      path, query = target.split("?")
      { "REQUEST_METHOD" => "GET", "SCRIPT_NAME" => "", "PATH_INFO" => path,
        "QUERY_STRING" => query.to_s, "REQUEST_URI" => target, "SERVER_PROTOCOL" => "HTTP/1.1",
        "SERVER_NAME" => "localhost", "SERVER_PORT" => "80", "REMOTE_ADDR" => "127.0.0.1",
        "HTTP_HOST" => "localhost" }.flat_map { |pair| pair }.map { |text| "#{text}\0" }.join
    end

    # What the application was asked for, up to a request for /pid.
    def paths(group)
      get(group, @instance, "/pid").strip
    end

    # The output up to now.
    def said
      @said = "#{@said}#{read_some}"
    end
  end

  # The same in Python.
  class WsgiInstanceWarmUpTest < AppInstanceWarmUpTest
    prepend RunsPython

    APP = <<~'PYTHON'
      import sys, time
      seen = []

      class Body(list):
          def close(self):
              print("closed", file=sys.stderr)

      def application(env, start_response):
          path = env["PATH_INFO"]
          seen.append("%s?%s" % (path, env.get("QUERY_STRING", "")))
          if path == "/raises":
              raise ValueError("on purpose")
          if path == "/exits":
              sys.exit()
          while path == "/hangs":
              time.sleep(1)
          status = "503 No" if path == "/fails" else "200 OK"
          start_response(status, [("Content-Type", "text/plain")])
          return Body([" ".join(seen).encode()])
    PYTHON
    HOOK = ""
    FILE = "warm.py"

    private

    def more_options
      { app_type: "wsgi" }
    end
  end

  # The same on an event loop in Python.
  class AsgiInstanceWarmUpTest < AppInstanceWarmUpTest
    prepend RunsPython

    APP = <<~'PYTHON'
      import asyncio, sys
      seen = []

      async def exits():
          sys.exit()

      async def application(scope, receive, send):
          if scope["type"] != "http":
              return
          path = scope["path"]
          seen.append("%s?%s" % (path, scope["query_string"].decode()))
          if path == "/raises":
              raise ValueError("on purpose")
          if path == "/exits":
              sys.exit()
          if path == "/exits_in_a_task":
              await asyncio.create_task(exits())
          while path == "/hangs":
              await asyncio.sleep(1)
          assert not (await receive())["more_body"]
          gone = asyncio.ensure_future(receive())
          status = 503 if path == "/fails" else 200
          await send({"type": "http.response.start", "status": status, "headers": []})
          await send({"type": "http.response.body", "body": " ".join(seen).encode()})
          assert (await gone)["type"] == "http.disconnect"
          if path == "/background":
              while len(seen) < 3:
                  await asyncio.sleep(0.001)
              seen.append("background")
          while path == "/last" and len(seen) < 4:
              await asyncio.sleep(0.001)
    PYTHON
    HOOK = ""
    FILE = "warm.py"

    def test_what_the_application_does_behind_its_answer_goes_on_meanwhile
      group = warm("/background", "/two", limit: 600_000)
      assert_match(%r{event=warm_up\.done .* path="/background" status=200}, said)
      assert_match(%r{event=warm_up\.done .* path="/two" status=200}, said)
      assert_equal "/background? /two? /last?", get(group, @instance, "/last").strip
      assert_match(/ background /, "#{paths(group)} ")
    end

    def test_an_application_that_exits_in_a_task_of_such_a_request_serves
      group = warm("/exits_in_a_task", "/two")
      assert_match(%r{event=warm_up\.failed .* path="/exits_in_a_task" }, said)
      assert_equal "/exits_in_a_task? /pid?", paths(group)
    end

    private

    def more_options
      { app_type: "asgi" }
    end
  end

  # The same in Node.
  class NodeInstanceWarmUpTest < AppInstanceWarmUpTest
    prepend RunsNode

    APP = <<~'JAVASCRIPT'
      const seen = [];
      require("http").createServer((request, response) => {
          const [path, query] = request.url.split("?");
          seen.push(`${path}?${query || ""}`);
          if (path === "/raises") {
              throw new Error("on purpose");
          }
          if (path !== "/hangs") {
              response.writeHead(path === "/fails" ? 503 : 200).end(seen.join(" "));
          }
      }).listen(3000);
    JAVASCRIPT
    HOOK = ""
    FILE = "warm.js"

    # It ends the process in requests of clients, too.
    def test_an_exception_is_logged_and_the_next_request_follows
      write_serve(closing(Peers::Group.new), ["/raises", "/two"], 60_000)
      failed = @instance.read
      assert_equal FAILED, failed&.type
      assert_equal ["warm-up", "Error", "on purpose"], failed.fields.first(3)
      assert_match(/\AError: on purpose\n +at .*warm\.js/, failed.fields[3])
      assert_nil @instance.read
      assert_match(/event=instance\.start_failed .* step="warm-up" exception="Error" /, said)
    end
  end
end
