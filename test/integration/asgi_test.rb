# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/runs_pure"
require_relative "support/web_socket_client"

# ASGI applications: many requests at once in one process, with the event loop of asyncio.
# AsgiUvloopTest has the same tests with uvloop's.
class AsgiTest < IntegrationTest
  include RunsPure

  PYTHON = "/usr/bin/python3"
  FASTAPI = system("#{PYTHON} -c 'import fastapi' >/dev/null 2>&1")
  WSPROTO = system("#{PYTHON} -c 'import wsproto' >/dev/null 2>&1")
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "websocket", "Sec-WebSocket-Version" => "13",
              "Sec-WebSocket-Key" => "dGhlIHNhbXBsZSBub25jZQ==" }.freeze
  # As where uvloop is not installed.
  LOOP = <<~PYTHON
    import os, sys
    if os.environ["EVENT_LOOP"] == "asyncio":
        sys.modules["uvloop"] = None
  PYTHON
  APP = LOOP + <<~'PYTHON'
    import asyncio, json

    NOTES = []
    WAITING = 0
    GATE = None

    def status_of(status):
        pid = os.fork()
        if pid == 0:
            sys.exit(status)
        return os.WEXITSTATUS(os.waitpid(pid, 0)[1])

    async def lifespan(receive, send):
        global GATE
        await receive()
        GATE = asyncio.Event()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shut down", flush=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def socket(scope, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        if scope["path"] == "/refused":
            await send({"type": "websocket.close"})
            await send({"type": "websocket.close"})
            NOTES.append("refused, then " + (await receive())["type"])
            return
        if scope["path"] == "/denied":
            await send({"type": "websocket.http.response.start", "status": 401,
                        "headers": [(b"www-authenticate", b"Bearer")]})
            await send({"type": "websocket.http.response.body", "body": b"log in"})
            return
        if scope["path"] == "/undecided":
            NOTES.append("undecided")
            NOTES.append("undecided, then " + (await receive())["type"])
            return
        await send({"type": "websocket.accept", "headers": [(b"x-accepted", b"yes")]})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                NOTES.append("disconnected %d" % message["code"])
                return
            if message.get("text") == "close and wait":
                await send({"type": "websocket.close", "code": 4002})
                NOTES.append("closed, then " + (await receive())["type"])
                return
            if message.get("text") == "raise":
                raise RuntimeError("in a WebSocket")
            if message.get("text") == "close":
                await send({"type": "websocket.close", "code": 4001})
                return
            text = message.get("text")
            await send({"type": "websocket.send", "text": text} if text is not None
                       else {"type": "websocket.send", "bytes": message["bytes"]})

    async def body_of(receive):
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("disconnected")
            body += message["body"]
            if not message["more_body"]:
                return body

    async def start(send, status=200, headers=()):
        await send({"type": "http.response.start", "status": status,
                    "headers": [(b"content-type", b"text/plain"), *headers]})

    async def answer(send, body, more=False):
        await send({"type": "http.response.body", "body": body, "more_body": more})

    async def application(scope, receive, send):
        global WAITING
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        if scope["type"] == "websocket":
            return await socket(scope, receive, send)
        path = scope["path"]
        if path == "/scope":
            names = ("type", "http_version", "method", "scheme", "path", "root_path", "client",
                     "server")
            shown = {name: scope[name] for name in names}
            shown["query"] = scope["query_string"].decode()
            shown["raw"] = scope["raw_path"].decode()
            shown["headers"] = [[one.decode("latin-1") for one in pair]
                                for pair in scope["headers"]]
            await start(send)
            await answer(send, json.dumps(shown).encode())
        elif path == "/echo":
            body = await body_of(receive)
            await start(send)
            await answer(send, body)
        elif path == "/wait":
            WAITING += 1
            await GATE.wait()
            await start(send)
            await answer(send, str(os.getpid()).encode())
        elif path == "/waiting":
            await start(send)
            await answer(send, str(WAITING).encode())
        elif path == "/open":
            GATE.set()
            await start(send)
            await answer(send, b"opened")
        elif path == "/gone":
            await start(send)
            await answer(send, b"begun", True)
            assert (await body_of(receive)) == b""
            assert (await receive())["type"] == "http.disconnect"
            NOTES.append("gone")
        elif path == "/endless":
            await start(send)
            try:
                while True:
                    await answer(send, b"x" * 10000, True)
                    await asyncio.sleep(0)
            except OSError:
                NOTES.append("unsent")
        elif path == "/early":
            async def watch():
                while (await receive())["type"] != "http.disconnect":
                    pass
                NOTES.append("watched")
            task = asyncio.create_task(watch())
            await asyncio.sleep(0)
            await start(send, 413)
            await answer(send, b"early")
            await task
        elif path == "/after":
            await start(send)
            await answer(send, b"first")
            await asyncio.sleep(0.01)
            NOTES.append("after")
        elif path == "/notes":
            await start(send)
            await answer(send, json.dumps(NOTES).encode())
        elif path == "/raise":
            raise RuntimeError("before the answer")
        elif path == "/break":
            await start(send)
            await answer(send, b"begun", True)
            raise RuntimeError("in the answer")
        elif path == "/silent":
            return
        elif path == "/fork":
            await start(send)
            await answer(send, b"%d" % status_of(int(scope["query_string"])))
        elif path == "/fork-in-thread":
            loop = asyncio.get_running_loop()
            status = await loop.run_in_executor(None, status_of, int(scope["query_string"]))
            await start(send)
            await answer(send, b"%d" % status)
        elif path == "/loop":
            await start(send)
            await answer(send, type(asyncio.get_running_loop()).__module__.encode())
        elif path == "/large":
            await start(send)
            for _ in range(50):
                await answer(send, b"y" * 100000, True)
            await answer(send, b"")
        else:
            await start(send, 404)
            await answer(send, b"")
  PYTHON
  FAST = LOOP + <<~PYTHON
    from asgiref.wsgi import WsgiToAsgi
    from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
    from starlette.background import BackgroundTask
    from starlette.responses import FileResponse, PlainTextResponse

    application = FastAPI()
    notes = []

    # Calls receive() from two tasks.
    @application.middleware("http")
    async def middleware(request, call_next):
        answer = await call_next(request)
        answer.headers["x-middleware"] = "yes"
        return answer

    @application.get("/file")
    def file():
        return FileResponse(__file__)

    @application.get("/background")
    def background():
        return PlainTextResponse("first", background=BackgroundTask(notes.append, "after"))

    @application.get("/notes")
    def all_notes():
        return notes

    @application.post("/upload")
    async def upload(request: Request):
        return len(await request.body())

    @application.get("/items-of/{number}")
    async def place(request: Request, number: int):
        return str(request.url_for("item", number=number))

    def wsgi(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["REQUEST_METHOD"].encode(), b" ", environ["wsgi.input"].read()]

    application.mount("/wsgi", WsgiToAsgi(wsgi))

    @application.get("/items/{number}")
    async def item(number: int):
        return {"number": number}

    @application.get("/sync")
    def sync():
        return "from a thread"

    @application.websocket("/socket")
    async def socket(socket: WebSocket):
        await socket.accept()
        try:
            while True:
                await socket.send_text("hello " + await socket.receive_text())
        except WebSocketDisconnect as left:
            notes.append("left with %d" % left.code)
  PYTHON
  # Of the form of WSGI, but for its three arguments.
  RETURNING = FAST + <<~PYTHON
    fast = application

    def application(scope, receive, send):
        return fast(scope, receive, send)
  PYTHON
  FAILING = <<~PYTHON
    async def application(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
  PYTHON

  # `loop`: whose event loop the applications get.
  def self.make_sites(made, loop)
    made.main_directives << "SetEnv EVENT_LOOP #{loop}\n"
    made.set("PassengerMaxPoolSize", 14)
    { "asgi" => "", "pure" => PURE }.each do |site, directives|
      made.site("#{site}.test", SampleApps.written(APP, "passenger_asgi.py"),
                "PassengerPython #{PYTHON}\nPassengerMaxInstances 1\n" \
                "PassengerBufferResponse off\nPassengerBufferUpload off\n#{directives}")
    end
    made.site("named.test", SampleApps.written(APP, "asgi.py"), "PassengerPython #{PYTHON}\n")
    { "found" => [APP, "passenger_wsgi.py"], "fast" => [FAST, "passenger_asgi.py"],
      "fast-found" => [RETURNING, "passenger_wsgi.py"] }.each do |site, (app, file)|
      made.site("#{site}.test", SampleApps.written(app, file), "PassengerPython #{PYTHON}\n")
    end
    %w[cold cold-direct].each do |site|
      made.site("#{site}.test", SampleApps.written(APP, "passenger_wsgi.py"),
                "PassengerPython #{PYTHON}\n" \
                "PassengerSpawnMethod #{site == 'cold' ? 'smart' : 'direct'}\n")
    end
    made.site("found-direct.test", SampleApps.written(APP, "passenger_wsgi.py"),
              "PassengerPython #{PYTHON}\nPassengerSpawnMethod direct\n")
    made.site("failing.test", SampleApps.written(FAILING, "passenger_asgi.py"),
              "PassengerPython #{PYTHON}\nPassengerFriendlyErrorPages on\n")
  end

  serve { |made| make_sites(made, "asyncio") }

  def setup
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON) || name == LAST
  end

  def site
    @site || "asgi.test"
  end

  def asgi
    client(site)
  end

  def notes
    asgi.json("/notes")
  end

  def test_the_event_loop_is_the_one_that_is_installed
    assert_match(/\Aasyncio\b/, asgi.get("/loop").body)
  end

  def test_the_scope_says_what_the_request_is
    scope = asgi.json("/scope?a=b%20c", "X-Colour" => "blue")
    assert_equal ["http", "1.1", "GET", "http", "/scope", "", "a=b%20c", "/scope"],
                 scope.values_at("type", "http_version", "method", "scheme", "path", "root_path",
                                 "query", "raw")
    assert_includes scope["headers"], %w[x-colour blue]
    assert_equal ["127.0.0.1", [site, server.port]], [scope["client"][0], scope["server"]]
    %w[named found].each do |name|
      assert_equal "/scope", client("#{name}.test").json("/scope")["path"]
    end
    server.log.wait_for(/event=app.asgi_found /)
  end

  def test_bodies_arrive_in_both_directions
    ["", "short", "long" * 100_000].each { |body| assert_equal body, asgi.post("/echo", body).body }
    raw = server.raw(site).request("POST", "/echo", "Transfer-Encoding" => "chunked")
    raw.write("5\r\nhello\r\n0\r\n\r\n")
    assert_equal "hello", raw.response.body
    assert_equal "y" * 5_000_000, asgi.get("/large").body
  ensure
    raw&.close
  end

  # "found" has the application in a passenger_wsgi.py, and no PassengerThreadCount.
  %w[asgi pure found found-direct].each do |site|
    define_method("test_one_process_of_#{site.tr('-', '_')}_has_many_requests_at_once") do
      app = client("#{site}.test")
      before = Integer(app.get("/waiting").body)
      waiting = Array.new(25) { Thread.new { client("#{site}.test").get("/wait").body } }
      eventually("all of them wait") { Integer(app.get("/waiting").body) == before + 25 }
      app.get("/open")
      assert_equal 1, waiting.map(&:value).uniq.size
    end
  end

  # Further processes would not know the others' state, such as WebSockets.
  %w[cold cold-direct].each do |site|
    define_method("test_a_burst_to_#{site.tr('-', '_')}_starts_one_process_in_a_file_for_wsgi") do
      waiting = Array.new(12) { Thread.new { client("#{site}.test").get("/wait").body } }
      eventually("all of them wait") { client("#{site}.test").get("/waiting").body == "12" }
      client("#{site}.test").get("/open")
      assert_equal 1, waiting.map(&:value).uniq.size
    end
  end

  def test_the_application_learns_that_its_client_has_gone
    raw = server.raw(site).request("GET", "/gone")
    raw.read_head
    raw.close
    eventually("the message") { notes.include?("gone") }
    raw = server.raw(site).request("GET", "/endless")
    raw.read_head
    raw.close
    eventually("the error") { notes.include?("unsent") }
  end

  def test_work_after_the_answer_goes_on
    assert_equal "first", asgi.get("/after").body
    eventually("the note") { notes.include?("after") }
  end

  def test_errors_are_answered_and_logged
    assert_status 500, asgi.get("/raise")
    server.log.wait_for(/event=request.failed .*before the answer/)
    assert_status 500, asgi.get("/silent")
    server.log.wait_for(/the application did not finish its answer/)
    text = server.raw(site).request("GET", "/break").read_to_end
    refute_match(/\r\n0\r\n\r\n\z/, text)
  end

  def test_a_process_that_a_request_has_forked_ends_with_its_own_status
    %w[/fork /fork-in-thread].product(%w[0 5]).each do |path, status|
      assert_equal status, asgi.get("#{path}?#{status}").body, path
    end
    refute_match(/SystemExit/, server.log.text)
  end

  def test_a_startup_that_fails_is_reported
    answer = assert_status(500, client("failing.test").get("/"))
    assert_includes answer.body, "no database"
  end

  def test_web_sockets_pass_messages_both_ways_and_close
    skip "there is no wsproto (Debian: python3-wsproto)" unless WSPROTO
    socket = WebSocketClient.new(server.port, site, "/socket")
    assert_equal "hello", socket.say("hello").hear
    assert_equal "x" * 100_000, socket.say("x" * 100_000).hear
    socket.close
    eventually("the close") { notes.any? { |note| note.start_with?("disconnected") } }
    raw = server.raw(site).request("GET", "/refused", UPGRADE)
    assert_equal 403, raw.response.status
    eventually("the refusal") { notes.include?("refused, then websocket.disconnect") }
    raw.close
    raw = server.raw(site).request("GET", "/undecided", UPGRADE)
    eventually("the handshake") { notes.include?("undecided") }
    raw.close
    eventually("the departure") { notes.include?("undecided, then websocket.disconnect") }
  end

  def test_an_application_refuses_a_web_socket_by_an_answer_of_its_own
    skip "there is no wsproto (Debian: python3-wsproto)" unless WSPROTO
    position = server.log.position
    raw = server.raw(site)
    2.times do
      answer = raw.request("GET", "/denied", UPGRADE).response
      assert_equal [401, "Bearer", "log in"],
                   [answer.status, answer["WWW-Authenticate"], answer.body]
    end
    raw.close
    # The log may have lines of an earlier test's requests meanwhile.
    lines = server.log.text(position).lines.grep(/event=request\.failed/)
    assert_empty lines.grep_v(%r{ (path|uri)="/(?!denied")})
  end

  # As of a proxy that passes on the one field alone.
  def test_an_upgrade_that_the_connection_field_does_not_name_is_an_ordinary_request
    [nil, "keep-alive"].each do |connection|
      headers = UPGRADE.merge("Connection" => connection).compact
      raw = server.raw(site).request("GET", "/scope", headers)
      assert_equal "http", JSON.parse(raw.response.body)["type"]
      raw.close
    end
  end

  def test_a_web_socket_that_the_application_closes_does_not_wait_for_the_clients_close
    skip "there is no wsproto (Debian: python3-wsproto)" unless WSPROTO
    socket = WebSocketClient.new(server.port, site, "/socket").say("close and wait")
    eventually("the end of the connection") { notes.include?("closed, then websocket.disconnect") }
    socket.close
  end

  def test_an_answer_before_the_end_of_the_body_holds_up_nobody
    raw = server.raw(site).request("POST", "/early", "Content-Length" => "600000")
    raw.write("x" * 300_000)
    eventually("the end of the watch") { notes.include?("watched") }
    raw.write("x" * 300_000)
    assert_equal 413, raw.read_head.status
  ensure
    raw&.close
  end

  # "fast-found" has the application in a passenger_wsgi.py.
  %w[fast fast-found].each do |name|
    define_method("test_fast_api_answers_and_has_web_sockets_as_#{name.tr('-', '_')}") do
      skip "there is no FastAPI (Debian: python3-fastapi)" unless FASTAPI
      site = client("#{name}.test")
      assert_equal({ "number" => 7 }, site.json("/items/7"))
      assert_status 422, site.get("/items/x")
      assert_equal "\"from a thread\"", site.get("/sync").body
      skip "there is no wsproto (Debian: python3-wsproto)" unless WSPROTO
      socket = WebSocketClient.new(server.port, "#{name}.test", "/socket")
      assert_equal "hello you", socket.say("you").hear
      socket.close
      eventually("the client's departure") { site.json("/notes").any? { |note| note[/left with/] } }
    end

    define_method("test_what_starlette_and_asgiref_have_works_as_#{name.tr('-', '_')}") do
      skip "there is no FastAPI (Debian: python3-fastapi)" unless FASTAPI
      site = client("#{name}.test")
      answer = assert_status(200, site.get("/file"))
      assert_includes answer.body, "FileResponse(__file__)"
      assert_equal "yes", answer["X-Middleware"]
      assert_equal "first", site.get("/background").body
      eventually("the background task") { site.json("/notes").include?("after") }
      assert_equal "300000", site.post("/upload", "x" * 300_000).body
      assert_equal "POST body", site.post("/wsgi/", "body").body
      assert_equal "http://#{name}.test:#{server.port}/items/7", site.json("/items-of/7")
    end
  end

  repeat_without_native_code but: /one_process|burst|fast_api|startup/
end

# The same where uvloop is installed.
class AsgiUvloopTest < AsgiTest
  UVLOOP = system("#{PYTHON} -c 'import uvloop' >/dev/null 2>&1")

  serve { |made| make_sites(made, "uvloop") }

  def setup
    skip "there is no uvloop (Debian: python3-uvloop)" unless UVLOOP || name == LAST
    super
  end

  def test_the_event_loop_is_the_one_that_is_installed
    assert_equal "uvloop", asgi.get("/loop").body
  end
end
