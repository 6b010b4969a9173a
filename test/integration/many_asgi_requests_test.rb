# frozen_string_literal: true

require_relative "support/integration_test"

# A thousand requests at once in one ASGI process, by the event loops of asyncio and uvloop.
class ManyAsgiRequestsTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  COUNT = 1_000
  MPM = "StartServers 1\nServerLimit 1\nThreadLimit 1200\nThreadsPerChild 1200\n" \
        "MaxRequestWorkers 1200\nMaxConnectionsPerChild 0"
  LOOPS = %w[asyncio uvloop].select { |name| system("#{PYTHON} -c 'import #{name}' 2>/dev/null") }
  APP = <<~'PYTHON'
    import asyncio, os, sys
    if os.environ["EVENT_LOOP"] == "asyncio":
        sys.modules["uvloop"] = None
    waiting = 0
    gate = None

    async def application(scope, receive, send):
        global gate, waiting
        if scope["type"] != "http":
            raise NotImplementedError
        gate = gate or asyncio.Event()
        body = b""
        if scope["path"] == "/wait":
            waiting += 1
            await receive()
            await gate.wait()
            body = b"%d %s" % (os.getpid(), scope["query_string"])
        elif scope["path"] == "/open":
            gate.set()
        elif scope["path"] == "/waiting":
            body = b"%d" % waiting
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
  PYTHON

  serve do |made|
    made.mpm = "event"
    made.mpm_settings = MPM
    made.set("PassengerMaxRequestQueueSize", 0)
    LOOPS.each do |name|
      made.site("#{name}.test", SampleApps.written(APP, "passenger_asgi.py"),
                "PassengerPython #{PYTHON}\nSetEnv EVENT_LOOP #{name}\n")
    end
  end

  LOOPS.each do |name|
    define_method("test_a_thousand_requests_are_in_work_at_once_with_#{name}") do
      site = client("#{name}.test")
      raws = Array.new(COUNT) { |i| server.raw("#{name}.test").request("GET", "/wait?#{i}") }
      eventually("all of them are in work") { site.get("/waiting").body == COUNT.to_s }
      site.get("/open")
      pids, numbers = raws.map { |raw| raw.response.body.split }.transpose
      assert_equal 1, pids.uniq.size
      assert_equal Array.new(COUNT, &:to_s), numbers
    ensure
      raws&.each(&:close)
    end
  end
end
