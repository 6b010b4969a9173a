# frozen_string_literal: true

require "fileutils"

require_relative "process_test_case"
require_relative "runs_node"
require_relative "runs_python"

module PhusionPassenger
  # With PassengerWarmUp the first SERVE brings a queue of the agent's own requests. The SERVE that
  # follows brings that of the application.
  class AppInstanceWarmUpTest < ProcessTestCase
    FAILED = 52
    PAUSE = 63
    # Answers with the paths that it was asked for so far.
    APP = <<~'RUBY'
      seen = []
      PhusionPassenger.on_event(:starting_worker_process) { seen << "hook" }
      run(lambda do |env|
        seen << env["PATH_INFO"]
        begin
          sleep if env["PATH_INFO"] == "/hangs"
        ensure
          warn "ended" if env["PATH_INFO"] == "/hangs"
        end
        exit if env["PATH_INFO"] == "/exits"
        if env["PATH_INFO"] == "/background"
          env["rack.after_reply"] << -> { sleep(0.3) && seen << "done" }
        end
        [200, { "content-type" => "text/plain" }, [seen.join(" ")]]
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

    def test_requests_of_the_first_queue_come_before_those_of_the_second
      first = warm
      assert_equal "#{self.class::HOOK}/one", get(first, @instance, "/one")
      assert_equal "#{self.class::HOOK}/one /two", get(first, @instance, "/two")
      first.end_queue
      second = serve(@instance)
      assert_equal "#{self.class::HOOK}/one /two /three", get(second, @instance, "/three")
      eventually("the end of the claims") { [first, second].all? { |one| one.claim(0) == [0, 0] } }
      assert_equal([2, 1], [first, second].map { |group| group.answered(0).first })
      second.end_queue
      assert_match(%r{/three /four\z}, get(serve(@instance), @instance, "/four"))
    end

    def test_what_the_first_queue_has_brought_is_closed
      first = warm
      get(first, @instance, "/one")
      first.end_queue
      serve(@instance)
      held = [first.receiver, first.claims, first.withdrawals].map { |io| io.stat.ino.to_s }
      eventually("the end of the first queue") do
        descriptors_of(@instance).values.none? { |target| held.any? { |id| target.include?(id) } }
      end
    end

    def test_a_request_that_hangs_is_given_up
      hang
      second = serve(@instance)
      assert_equal "#{self.class::HOOK}/hangs /two", get(second, @instance, "/two")
      @instance.control.write(PAUSE, 1)
      assert_equal [PAUSE, ["1"]], in_time { @instance.read }.then { |f| [f.type, f.fields] }
      said = read_some
      assert_includes said, "ended" if self.class::APP.include?("ended")
      finish(@instance)
      refute_includes output_of(@instance), "gave_up_waiting"
    end

    def test_an_instance_that_stands_by_after_a_request_that_hangs_is_idle
      hang
      serve(@instance, paused: true)
      assert_equal [PAUSE, ["1"]], in_time { @instance.read }.then { |f| [f.type, f.fields] }
    end

    def test_what_the_application_does_behind_its_answer_goes_on
      first = warm
      get(first, @instance, "/background")
      first.end_queue
      second = serve(@instance)
      eventually("the end") { get(second, @instance, "/two").include?("done") }
      finish(@instance)
      refute_includes output_of(@instance), "request.failed"
    end

    def test_the_end_of_an_instance_waits_for_no_request_that_hangs
      hang
      finish(@instance)
      refute_includes output_of(@instance), "gave_up_waiting"
    end

    def test_the_requests_count_for_the_limit
      first = warm(max_requests: 2)
      get(first, @instance, "/one")
      first.end_queue
      get(serve(@instance), @instance, "/two")
      assert_equal 62, in_time { @instance.read }.type
    end

    def test_an_application_that_exits_in_a_request_has_not_started
      request(warm, @instance, "/exits", id: 7)
      assert_nil in_time { @instance.read }
    end

    def test_an_instance_ends_if_the_agent_goes_during_a_request
      hang
      @instance.control.close
      in_time { @instance.output.read }
    end

    private

    def more_options
      {}
    end

    def warm(**fields)
      serve(@instance, warms_up: true, **fields)
    end

    # The agent gives up a request that is in work.
    def hang(path = "/hangs")
      warm.tap do |group|
        child = request(group, @instance, path, id: 7)
        eventually("the claim") { group.claim(0) == [7, 1] }
        child.io.close
        group.end_queue
      end
    end
  end

  # The same in Python.
  class WsgiInstanceWarmUpTest < AppInstanceWarmUpTest
    prepend RunsPython

    APP = <<~'PYTHON'
      import sys, time
      seen = []

      def application(env, start_response):
          seen.append(env["PATH_INFO"])
          while env["PATH_INFO"] == "/hangs":
              time.sleep(1)
          if env["PATH_INFO"] == "/exits":
              sys.exit()
          start_response("200 OK", [("Content-Type", "text/plain")])
          return (Answer if env["PATH_INFO"] == "/background" else list)([" ".join(seen).encode()])

      class Answer(list):
          def close(self):
              time.sleep(0.3)
              seen.append("done")
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
      import asyncio, sys, time
      seen = []

      async def application(scope, receive, send):
          if scope["type"] != "http":
              return
          seen.append(scope["path"])
          while scope["path"] == "/stays":
              try:
                  await asyncio.sleep(1)
              except asyncio.CancelledError:
                  pass
          if scope["path"] == "/blocks":
              time.sleep(2)
          try:
              while scope["path"] == "/hangs":
                  await asyncio.sleep(1)
          except asyncio.CancelledError:
              print("ended", file=sys.stderr)
              raise
          if scope["path"] == "/exits":
              sys.exit()
          await send({"type": "http.response.start", "status": 200, "headers": []})
          await send({"type": "http.response.body", "body": " ".join(seen).encode()})
          if scope["path"] == "/background":
              await asyncio.sleep(0.3)
              seen.append("done")
    PYTHON
    HOOK = ""
    FILE = "warm.py"

    # As it does at an interrupt, too.
    def test_a_request_that_nothing_ends_takes_no_place
      hang("/stays")
      second = serve(@instance)
      assert_equal "/stays /two", get(second, @instance, "/two")
      @instance.control.write(PAUSE, 1)
      assert_equal [PAUSE, ["1"]], in_time { @instance.read }.then { |f| [f.type, f.fields] }
      Process.kill(:KILL, @instance.pid)
    end

    def test_an_event_loop_that_stands_still_is_not_ready
      hang("/blocks")
      begun = MonotonicClock.now
      serve(@instance)
      assert_operator MonotonicClock.now - begun, :>, 1
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
          seen.push(request.url);
          if (request.url === "/raises") {
              throw new Error("on purpose");
          }
          if (request.url === "/exits") {
              process.exit();
          }
          if (request.url === "/background") {
              setTimeout(() => seen.push("done"), 300);
          }
          if (request.url !== "/hangs") {
              response.end(seen.join(" "));
          }
      }).listen(3000);
    JAVASCRIPT
    HOOK = ""
    FILE = "warm.js"

    def test_an_exception_that_nothing_catches_fails_the_start
      request(warm, @instance, "/raises", id: 7)
      failed = @instance.read
      assert_equal FAILED, failed&.type
      assert_equal ["warm-up", "Error", "on purpose"], failed.fields.first(3)
      assert_match(/\AError: on purpose\n +at .*warm\.js/, failed.fields[3])
      assert_nil @instance.read
      assert_match(/event=instance\.start_failed .* step="warm-up" exception="Error" /, read_some)
    end

    def test_an_exception_that_the_application_catches_once_fails_nothing
      File.write(File.join(@root, "once.js"), <<~JAVASCRIPT + APP)
        process.once("uncaughtException", () => seen.push("caught"));
      JAVASCRIPT
      @instance = loaded("instance", "once.ru", { app_root: @root }.merge(more_options))
      first = warm
      child = request(first, @instance, "/raises", id: 7)
      eventually("the claim") { first.claim(0) == [7, 1] }
      child.io.close
      assert_equal "/raises caught /two", get(first, @instance, "/two")
    end

    def test_an_exception_later_is_no_failure_of_the_start
      warm.end_queue
      request(serve(@instance), @instance, "/raises", id: 7)
      assert_nil @instance.read
      refute_includes output_of(@instance), "start_failed"
    end
  end
end
