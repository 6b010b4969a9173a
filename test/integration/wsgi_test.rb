# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/runs_pure"

# The interface of WSGI applications (PEP 3333). Python's own validator stands between the server
# and the application, and raises where either breaks the rules.
class WsgiTest < IntegrationTest
  include RunsPure

  PYTHON = "/usr/bin/python3"
  APP = <<~'PYTHON'
    import io, os, sys, threading, time
    from wsgiref.validate import validator

    CLOSED = []
    TOGETHER = threading.Barrier(3)

    class Pieces:
        """A body that notes its close()."""
        def __init__(self, pieces):
            self.pieces = iter(pieces)
        def __iter__(self):
            return self
        def __next__(self):
            return next(self.pieces)
        def close(self):
            CLOSED.append("closed")

    class Unreal:
        """Has a descriptor, and other content than that, as gzip.GzipFile. Notes its close()."""
        def __init__(self, path):
            self.file = open(path, "rb")
        def fileno(self):
            return self.file.fileno()
        def read(self, size):
            return self.file.read(size).replace(b"0", b"x")
        def close(self):
            self.file.close()
            CLOSED.append("unreal")

    def endless():
        while True:
            yield b"x" * 10000

    def failing():
        yield b"begin"
        raise RuntimeError("in the middle")

    def lines(environ):
        stream = environ["wsgi.input"]
        first = stream.readline()
        return b"|".join([first, stream.read(3), *stream.readlines()])

    def late(start):
        """A generator calls start_response at its first piece."""
        start("200 OK", [("Content-Type", "text/plain")])
        yield b"late"

    def replaced(start):
        start("200 OK", [("X-First", "1"), ("Content-Type", "text/plain")])
        try:
            raise KeyError("replaced")
        except KeyError:
            start("503 Service Unavailable", [("X-Second", "2"), ("Content-Type", "text/plain")],
                  sys.exc_info())
        return Pieces([b"replaced"])

    def strict(environ, start):
        path = environ["PATH_INFO"]
        if path == "/late":
            return Pieces(late(start))
        if path == "/replaced":
            return replaced(start)
        plain = [("Content-Type", "text/plain")]
        if path == "/fork":
            pid = os.fork()
            if pid == 0:
                sys.exit(int(environ["QUERY_STRING"]))
            status = os.waitpid(pid, 0)[1]
            start("200 OK", plain)
            return [b"%d" % os.WEXITSTATUS(status)]
        if path == "/write":
            write = start("200 OK", plain)
            write(b"first ")
            write(b"second ")
            return Pieces([b"third"])
        if path == "/empty":
            start("204 No Content", [])
            return Pieces([])
        start("200 OK", plain)
        bodies = {
            "/pieces": lambda: [b"one ", b"", b"two"],
            "/endless": endless,
            "/failing": failing,
            "/lines": lambda: [lines(environ)],
            "/length": lambda: [environ.get("CONTENT_LENGTH", "none").encode()],
            "/closed": lambda: [str(len(CLOSED)).encode()],
            "/unreal-closed": lambda: [str(CLOSED.count("unreal")).encode()],
            "/flags": lambda: [repr((environ["wsgi.multithread"], environ["wsgi.multiprocess"],
                                     environ["wsgi.run_once"])).encode()],
            "/together": lambda: [str(TOGETHER.wait(60) >= 0).encode()],
        }
        return Pieces(bodies[path]())

    strictly = validator(strict)

    def application(environ, start):
        path = environ["PATH_INFO"]
        if path == "/file":
            start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "300000")])
            return environ["wsgi.file_wrapper"](open(__file__ + ".large", "rb"), 10)
        if path == "/memory":
            start("200 OK", [])
            return environ["wsgi.file_wrapper"](io.BytesIO(b"y" * 200000))
        if path == "/read":
            start("200 OK", [])
            file = open(__file__ + ".numbers", "rb")
            file.seek(70000)
            file.read(5)
            return environ["wsgi.file_wrapper"](file)
        if path == "/cut":
            start("200 OK", [("Content-Length", "70000")])
            return environ["wsgi.file_wrapper"](open(__file__ + ".numbers", "rb"))
        if path == "/unreal":
            start("200 OK", [])
            return environ["wsgi.file_wrapper"](Unreal(__file__ + ".numbers"))
        if path == "/long":
            start("200 OK", [("Content-Length", "5")])
            return [b"123", b"4567"]
        if path == "/status":
            start("OK", [])
        if path == "/break":
            start("200 OK", [("X-Broken", "a\nb")])
        if path == "/twice":
            start("200 OK", [])
            start("200 OK", [])
        if path == "/text":
            start("200 OK", [])
            return ["text"]
        if path == "/silent":
            return [b"no start_response"]
        if path == "/print":
            print("a line of print")
        return strictly(environ, start)
  PYTHON

  NUMBERS = Array.new(30_000) { |i| "#{i} " }.join.freeze

  serve do |made|
    folder = SampleApps.written(APP, "passenger_wsgi.py")
    File.write("#{folder}/passenger_wsgi.py.large", "z" * 300_000)
    File.write("#{folder}/passenger_wsgi.py.numbers", NUMBERS)
    TestEnvironment.hand_over(folder)
    more = "PassengerPython #{PYTHON}\nPassengerMaxInstances 1\nPassengerThreadCount 3\n" \
           "PassengerBufferResponse off\n"
    made.site("wsgi.test", folder, more)
    made.site("pure.test", folder, "#{more}PassengerAppGroupName pure\n#{PURE}")
  end

  def setup
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON) || name == LAST
  end

  def site
    @site || "wsgi.test"
  end

  def get(path, headers = {})
    client(site).get(path, headers)
  end

  def test_bodies_in_pieces_by_write_and_of_generators_arrive
    assert_equal "one two", assert_status(200, get("/pieces")).body
    assert_equal "first second third", assert_status(200, get("/write")).body
    assert_equal "late", assert_status(200, get("/late")).body
    assert_equal "", assert_status(204, get("/empty")).body.to_s
  end

  def test_head_requests_have_no_body
    raw = server.raw(site).request("HEAD", "/late")
    answer = raw.read_head
    assert_equal 200, answer.status
  ensure
    raw&.close
  end

  def test_start_response_can_replace_its_answer_until_the_first_bytes
    answer = assert_status(503, get("/replaced"))
    assert_equal [nil, "2", "replaced"], [answer["X-First"], answer["X-Second"], answer.body]
  end

  def test_files_are_sent_whole
    assert_equal "z" * 300_000, assert_status(200, get("/file")).body
    assert_equal "y" * 200_000, assert_status(200, get("/memory")).body
  end

  def test_a_file_is_sent_from_its_position_and_as_far_as_its_content_length
    assert_equal NUMBERS[70_005..], assert_status(200, get("/read")).body
    assert_equal NUMBERS[0, 70_000], assert_status(200, get("/cut")).body
  end

  def test_what_an_object_reads_is_sent_whatever_its_descriptor_has_and_it_is_closed
    before = Integer(get("/unreal-closed").body)
    assert_equal NUMBERS.tr("0", "x"), get("/unreal").body
    assert_status 200, client(site).head("/unreal")
    eventually("both are closed") { Integer(get("/unreal-closed").body) == before + 2 }
  end

  def test_the_input_has_lines_and_ends_with_the_body
    body = "first\nabcdef\nlast"
    assert_equal "first\n|abc|def\n|last", client(site).post("/lines", body).body
    raw = server.raw(site).request("POST", "/lines", "Transfer-Encoding" => "chunked")
    raw.write("10\r\nfirst\nabcdef\nlas\r\n1\r\nt\r\n0\r\n\r\n")
    assert_equal "first\n|abc|def\n|last", raw.response.body
    large = "#{'l' * 200_000}\nabc#{'m' * 100_000}"
    assert_equal "#{'l' * 200_000}\n|abc|#{'m' * 100_000}",
                 client(site).post("/lines", large).body
    assert_equal "5", client(site).post("/length", "12345").body
  ensure
    raw&.close
  end

  def test_threads_answer_at_the_same_time
    assert_equal "(True, True, False)", get("/flags").body
    answers = Array.new(3) { Thread.new { client(site).get("/together").body } }
    assert_equal %w[True] * 3, answers.map(&:value)
  end

  def test_the_body_is_closed_when_the_client_has_gone
    before = Integer(get("/closed").body)
    raw = server.raw(site).request("GET", "/endless")
    raw.read_head
    raw.close
    eventually("the close") { Integer(get("/closed").body) > before + 1 }
  end

  def test_an_application_that_fails_after_the_head_is_cut_off_visibly
    raw = server.raw(site).request("GET", "/failing")
    text = raw.read_to_end
    refute_match(/\r\n0\r\n\r\n\z/, text)
    server.log.wait_for(/event=request.failed .*exception="RuntimeError"/)
  ensure
    raw&.close
  end

  def test_answers_that_break_the_rules_are_errors_with_a_reason
    { "/status" => /the status is 'OK'/, "/break" => /a header has a line break/,
      "/twice" => /start_response was called twice/, "/text" => /must consist of bytes/,
      "/silent" => /did not call start_response/ }.each do |path, reason|
      assert_status 500, get(path)
      server.log.wait_for(reason)
    end
    assert_equal "one two", get("/pieces").body
  end

  def test_a_body_beyond_its_length_is_cut_and_noted
    assert_equal "12345", get("/long").body
    server.log.wait_for(/event=response.cut /)
  end

  def test_a_process_that_a_request_has_forked_ends_with_its_own_status
    %w[0 5].each { |status| assert_equal status, client(site).get("/fork?#{status}").body }
    refute_match(/SystemExit/, server.log.text)
  end

  def test_a_line_of_print_reaches_the_log_at_once
    get("/print")
    server.log.wait_for(/output: a line of print/)
  end

  repeat_without_native_code
end
