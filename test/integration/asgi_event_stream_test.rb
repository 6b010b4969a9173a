# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/event_streams"

# Event streams of ASGI applications, with their clients' own sockets: no thread of httpd holds
# them.
class AsgiEventStreamTest < IntegrationTest
  include EventStreams

  STARLETTE = system("/usr/bin/python3 -c 'import fastapi, starlette' >/dev/null 2>&1")
  PYTHON = <<~'PYTHON'
    import asyncio, os

    LISTENING = {}
    NOTES = []
    LEFT = 0
    ENDED = 0

    async def start(send, kind=b"text/event-stream", headers=()):
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", kind), *headers]})

    async def tell(send, text, more=True):
        await send({"type": "http.response.body", "body": text, "more_body": more})

    async def text(send, body):
        await start(send, b"text/plain")
        await tell(send, body.encode(), False)

    async def listen(receive, send):
        global LEFT
        queue = asyncio.Queue()
        LISTENING[queue] = True
        await start(send)
        await tell(send, b"data: welcome\n\n")
        first = await receive()
        assert first == {"type": "http.request", "body": b"", "more_body": False}, first

        async def watch():
            assert (await receive())["type"] == "http.disconnect"
            queue.put_nowait(None)

        watching = asyncio.create_task(watch())
        while (news := await queue.get()) is not None:
            await tell(send, b"data: %s\n\n" % news, news != b"last")
            if news == b"last":
                break
        del LISTENING[queue]
        if news is None:
            LEFT += 1
            try:
                await tell(send, b"more")
            except OSError:
                NOTES.append("unsent")
        watching.cancel()

    async def wait_silently():
        global ENDED
        try:
            yield b"data: begun\n\n"
            yield await asyncio.Queue().get()
        finally:
            ENDED += 1

    # As Starlette's StreamingResponse from 0.40 on.
    async def stream(scope, receive, send, kind):
        async def sending():
            await start(send, kind)
            async for news in wait_silently():
                await tell(send, news)

        async def listening():
            while (await receive())["type"] != "http.disconnect":
                pass

        if tuple(map(int, scope["asgi"]["spec_version"].split("."))) >= (2, 4):
            await sending()
        else:
            tasks = [asyncio.create_task(one()) for one in (sending, listening)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def application(scope, receive, send):
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/events":
            await listen(receive, send)
        elif path == "/silent_events":
            await stream(scope, receive, send, b"text/event-stream")
        elif path == "/silent_text":
            await stream(scope, receive, send, b"text/plain")
        elif path == "/ended":
            await text(send, str(ENDED))
        elif path == "/listening":
            await text(send, str(len(LISTENING)))
        elif path == "/tell":
            for queue in LISTENING:
                queue.put_nowait(b"news")
            await text(send, str(len(LISTENING)))
        elif path == "/end":
            for queue in LISTENING:
                queue.put_nowait(b"last")
            await text(send, "")
        elif path == "/left":
            await text(send, "%d left, %d listen, %d unsent"
                       % (LEFT, len(LISTENING), NOTES.count("unsent")))
        elif path == "/short":
            await start(send)
            await tell(send, b"data: one\n\n")
            await tell(send, b"data: two\n\n")
            await tell(send, b"", False)
        elif path == "/measured":
            await start(send, headers=[(b"content-length", b"14")])
            await tell(send, b"data: 1\n\n")
            await asyncio.sleep(0.1)
            await tell(send, b"end\n\n", False)
        elif path == "/much":
            await start(send)
            await asyncio.sleep(0)
            piece = b"x" * 99_999 + b"\n"
            for _ in range(MUCH // len(piece)):
                await tell(send, piece)
            await tell(send, b"", False)
        elif path in ("/raises", "/returns"):
            await start(send)
            await tell(send, b"data: begun\n\n")
            await asyncio.sleep(0.1)
            if path == "/raises":
                raise RuntimeError("in the stream")
        elif path == "/raises_at_once":
            await start(send)
            await tell(send, b"data: begun\n\n")
            raise RuntimeError("at once")
        elif path == "/slow":
            await start(send)
            await tell(send, b"data: begun\n\n")
            while not os.path.exists("tmp/go"):
                await asyncio.sleep(0.02)
            await tell(send, b"data: ended\n\n", False)
        elif path == "/pid":
            await text(send, str(os.getpid()))
  PYTHON
           .sub("MUCH", MUCH.to_s).freeze
  FASTAPI = <<~'PYTHON'
    import asyncio, gc
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    ended = 0
    application = FastAPI()

    async def events():
        global ended
        try:
            number = 0
            while True:
                yield f"data: {number}\n\n"
                number += 1
                await asyncio.sleep(0.05)
        finally:
            ended += 1

    @application.get("/events")
    async def stream():
        return StreamingResponse(events(), media_type="text/event-stream")

    # A generator whose chunk could not be sent ends when its memory is freed.
    @application.get("/ended", response_class=PlainTextResponse)
    async def tell():
        gc.collect()
        await asyncio.sleep(0)
        return str(ended)

    def few():
        yield "data: a\n\n"
        yield "data: b\n\n"

    async def short(request):
        return StreamingResponse(few(), media_type="text/event-stream")

    async def counted(request):
        async def numbers():
            number = 0
            while not await request.is_disconnected():
                yield f"data: {number}\n\n"
                number += 1
                await asyncio.sleep(0.02)
        return StreamingResponse(numbers(), media_type="text/event-stream")

    whole = 0

    @application.get("/whole", response_class=PlainTextResponse)
    async def tell_whole():
        return str(whole)

    async def three(request):
        async def parts():
            global whole
            for _ in range(3):
                yield "part"
                await asyncio.sleep(0.02)
            whole += 1
        return StreamingResponse(parts())

    application.mount("/starlette", Starlette(routes=[Route("/short", short),
                                                      Route("/counted", counted),
                                                      Route("/three", three)]))
  PYTHON

  serve do |made|
    EventStreams.set_up(made)
    one = "PassengerAppType asgi\nPassengerMaxInstances 1\nPassengerMinInstances 1\n"
    made.site("events.test", written(PYTHON), "#{one}#{LOGGED}")
    made.site("filtered.test", written(PYTHON), "#{one}#{FILTERED}")
    if STARLETTE
      made.site("fastapi.test", written(FASTAPI), "#{one}PassengerPython /usr/bin/python3\n")
    end
  end

  def self.written(code)
    SampleApps.written(code, "passenger_asgi.py")
  end

  def test_streams_hold_no_thread_and_get_what_the_application_tells
    assert_streams_hold_no_thread
  end

  def test_streams_beyond_half_of_the_descriptors_stay_with_httpd
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))"
    assert_connections_beyond_half_of_the_descriptors_stay_with_httpd(
      self.class.written("#{limit}\n#{PYTHON}"), "PassengerAppType asgi\n"
    ) do |own|
      welcomed(own)
    end
  end

  def test_the_application_learns_that_its_clients_have_left
    wait_until_nobody_listens
    before = client.get("/left").body.to_i
    raws = Array.new(3) { listening }
    raws[0].close
    raws[1].abort
    # What it sends behind its request is for nobody.
    raws[2].write("GET /pid HTTP/1.1\r\nHost: events.test\r\n\r\n")
    left = eventually("two that have left") do
      client.get("/left").body[/\A#{before + 2} left, 1 listen, (\d+) unsent\z/, 1]
    end
    assert_operator left.to_i, :>=, 2
    assert_equal "1", client.get("/tell").body
    assert_equal "data: news\n\n", raws[2].read_chunk
    raws[2].close
    eventually("three") { client.get("/left").body.start_with?("#{before + 3} left, 0 listen") }
  end

  def test_a_silent_stream_of_a_framework_ends_when_its_client_leaves
    %w[/silent_events /silent_text].each_with_index do |path, index|
      raw = server.raw.request("GET", path)
      raw.read_head
      assert_equal "data: begun\n\n", raw.read_chunk
      raw.close
      eventually("the end of #{path}") { client.get("/ended").body == (index + 1).to_s }
    end
    wait_for_entries("/silent_events 200 1", "/silent_text 200 -")
  end

  def test_a_stream_that_ends_in_its_first_turn_or_has_a_length_stays_with_httpd
    raw = server.raw
    assert_equal "data: one\n\ndata: two\n\n", raw.get("/short").body
    assert_equal "data: 1\n\nend\n\n", raw.get("/measured").body
    assert_equal 200, raw.get("/pid").status
    wait_for_entries("/short 200 -", "/measured 200 -")
  end

  def test_a_stream_that_fails_does_not_look_whole
    position = server.log.position
    %w[/raises /returns].each do |path|
      raw = server.raw.request("GET", path)
      assert_equal 200, raw.read_head.status
      assert_equal "data: begun\n\n", raw.read_chunk
      assert_raises(EOFError, Errno::ECONNRESET) { raw.read_chunk }
    end
    assert_equal 500, client.get("/raises_at_once").code.to_i
    ["in the stream", "did not finish its answer", "at once"].each do |reason|
      server.log.wait_for(/event=request\.failed.*#{reason}/, from: position)
    end
  end

  def test_streams_of_fastapi_and_starlette
    skip "the Python of this machine has no fastapi" unless STARLETTE
    fastapi = server.client("fastapi.test")
    raws = %w[/events /starlette/counted].flat_map do |path|
      Array.new(THREADS) { server.raw("fastapi.test").request("GET", path).tap(&:read_head) }
    end
    raws.each do |raw|
      assert_equal(%w[0 1 2], Array.new(3) { raw.read_chunk }.map { |event| event[/\d+/] })
    end
    assert_equal "0", fastapi.get("/ended").body
    assert_equal "data: a\n\ndata: b\n\n", fastapi.get("/starlette/short").body
    raws.each(&:close)
    eventually("the end of all") { fastapi.get("/ended").body == THREADS.to_s }
  end

  def test_the_body_of_an_answer_to_head_is_not_broken_off
    skip "the Python of this machine has no fastapi" unless STARLETTE
    fastapi = server.client("fastapi.test")
    assert_equal 200, fastapi.head("/starlette/three").code.to_i
    eventually("the end of the body") { fastapi.get("/whole").body == "1" }
  end

  private

  def streaming_app
    [self.class.written(PYTHON), "PassengerAppType asgi\n"]
  end
end
