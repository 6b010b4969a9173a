# frozen_string_literal: true

require "digest"
require "open3"
require "zlib"
require_relative "support/integration_test"

# Answers that are files: they go from an application to httpd as one descriptor
# (doc/PROTOCOLS.md, section 3.8).
class AnswerFilesTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  # Far more than sockets and httpd's memory hold.
  MEBIBYTES = 16
  LARGE = MEBIBYTES * 1024 * 1024
  SMALL_WATERMARK = 1024 * 1024
  # tmpfs, whatever the machine has.
  FOLDER = "/dev/shm"

  WSGI = <<~PYTHON
    import os, tempfile

    LARGE = #{LARGE}
    CLOSED = []
    NUMBERS = tempfile.TemporaryFile(dir="#{FOLDER}")
    numbers = b"".join(b"%07d " % number for number in range(131_072))
    for mebibyte in range(#{MEBIBYTES}):
        NUMBERS.write(b"%07d " % mebibyte + numbers[8:])
    NUMBERS.flush()

    def opened(file=NUMBERS, **more):
        return open("/proc/self/fd/%d" % file.fileno(), "rb", **more)

    class Piped:
        """Reads from a pipe."""
        def __init__(self):
            reader, writer = os.pipe()
            os.write(writer, b"piped")
            os.close(writer)
            self.file = open(reader, "rb", buffering=0)
            self.read = self.file.read
        def close(self):
            CLOSED.append("pipe")
            self.file.close()

    class Counted:
        """A file that notes its close()."""
        def __init__(self):
            self.file = opened()
            self.read = self.file.read
        def close(self):
            CLOSED.append("file")
            self.file.close()

    shrinking = tempfile.TemporaryFile(dir="#{FOLDER}")

    def application(environ, start):
        path = environ["PATH_INFO"]
        length = [("Content-Length", str(LARGE))]
        wrapper = environ["wsgi.file_wrapper"]
        kind = [("Content-Type", "application/octet-stream")]
        if path == "/whole":
            start("200 OK", kind + length)
            return wrapper(opened())
        if path == "/chunked":
            start("200 OK", kind)
            return wrapper(opened())
        if path == "/from":
            file = opened()
            file.seek(LARGE - 300_001)
            file.read(1)
            start("200 OK", kind)
            return wrapper(file)
        if path == "/cut":
            start("200 OK", [("Content-Length", "1000000")])
            return wrapper(opened())
        if path == "/counted":
            start("200 OK", length)
            return wrapper(Counted())
        if path == "/pipe":
            start("200 OK", kind)
            return wrapper(Piped())
        if path.startswith("/shrinking"):
            shrinking.truncate(LARGE)
            start("200 OK", kind + (length if path == "/shrinking" else []))
            return wrapper(opened(shrinking))
        if path == "/shrink":
            shrinking.truncate(1000)
        start("200 OK", [("Content-Type", "text/plain")])
        return [",".join(CLOSED).encode()]
  PYTHON

  RACK = <<~RUBY
    require "tempfile"

    LARGE = #{LARGE}
    NUMBERS = Tempfile.create("answer", "#{FOLDER}")
    File.unlink(NUMBERS.path)
    numbers = Array.new(131_072) { |number| format("%07d ", number) }.join
    #{MEBIBYTES}.times { |mebibyte| NUMBERS << format("%07d ", mebibyte) << numbers[8..] }
    NUMBERS.flush
    PATH = "/proc/self/fd/\#{NUMBERS.fileno}"

    class Changed
      def initialize(file) = @file = file
      def each = yield(@file.read(1000).tr("0", "x"))
      def close = @file.close
    end

    run(lambda do |env|
      case env["PATH_INFO"]
      when "/whole" then [200, { "content-length" => LARGE.to_s }, File.open(PATH, "rb")]
      when "/changed" then [200, {}, Changed.new(File.open(PATH, "rb"))]
      else [200, { "content-type" => "text/plain" }, ["hello"]]
      end
    end)
  RUBY

  HTTP2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")
  DEFLATE = File.join(TestEnvironment.modules_dir, "mod_deflate.so")

  serve do |made|
    made.set("PassengerAnswerFiles", "on")
    made.set("PassengerResponseBufferHighWatermark", SMALL_WATERMARK)
    made.main_directives << "LoadModule deflate_module #{DEFLATE}\nTimeout 300\n" \
                            "KeepAliveTimeout 60\n"
    if File.exist?(HTTP2) && made.mpm != "prefork"
      made.main_directives << "LoadModule http2_module #{HTTP2}\nProtocols h2c http/1.1\n"
    end
    settings = "PassengerPython #{PYTHON}\nPassengerMaxInstances 1\n"
    wsgi = SampleApps.written(WSGI, "passenger_wsgi.py")
    made.site("wsgi.test", wsgi, settings)
    made.site("pure.test", wsgi, "#{settings}SetEnv PASSENGER_NATIVE off\n" \
                                 "PassengerAppGroupName pure\n")
    made.site("deflated.test", wsgi, "#{settings}SetOutputFilter DEFLATE\n")
    made.site("buffered.test", wsgi, "#{settings}PassengerBufferResponse on\n")
    made.site("rack.test", SampleApps.written(RACK), "PassengerMaxInstances 1\n")
  end

  def self.numbers
    @numbers ||= begin
      numbers = Array.new(131_072) { |number| format("%07d ", number) }.join
      Array.new(MEBIBYTES) { |mebibyte| format("%07d ", mebibyte) + numbers[8..] }.join.b
    end
  end

  def setup
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON) || name == LAST
  end

  def numbers
    self.class.numbers
  end

  def get(path, headers = {}, site: "wsgi.test")
    client(site).get(path, headers)
  end

  def assert_bytes(expected, answer, status = 200)
    assert_status status, answer
    assert_equal [expected.bytesize, Digest::SHA256.hexdigest(expected)],
                 [answer.body.bytesize, Digest::SHA256.hexdigest(answer.body)]
  end

  def test_a_file_arrives_whole
    %w[wsgi.test pure.test rack.test].each do |site|
      assert_bytes numbers, get("/whole", site: site)
    end
    assert_bytes numbers, get("/chunked")
    deflated = get("/whole", { "Accept-Encoding" => "gzip" }, site: "deflated.test")
    assert_equal Digest::SHA256.hexdigest(numbers),
                 Digest::SHA256.hexdigest(Zlib.gunzip(assert_status(200, deflated).body))
  end

  def test_a_file_is_sent_from_its_position_and_as_far_as_its_content_length
    %w[wsgi.test pure.test].each do |site|
      assert_bytes numbers[-300_000..], get("/from", site: site)
      assert_bytes numbers[0, 1_000_000], get("/cut", site: site)
    end
  end

  def test_head_ranges_and_http_1_0
    assert_equal LARGE.to_s, client("wsgi.test").head("/whole")["Content-Length"]
    # httpd's filter of ranges works at answers that it gets in one piece.
    ranged = get("/from", { "Range" => "bytes=1000-200000" }, site: "buffered.test")
    assert_bytes numbers[-300_000..][1000..200_000], ranged, 206
    assert_bytes numbers, get("/whole", { "Range" => "bytes=1000-200000" })
    raw = server.raw("wsgi.test").write("GET /chunked HTTP/1.0\r\nHost: wsgi.test\r\n\r\n")
    _, body = raw.read_to_end.split("\r\n\r\n", 2)
    assert body == numbers
  ensure
    raw&.close
  end

  def test_a_file_arrives_whole_over_http_2
    skip "needs mod_http2" unless File.exist?(HTTP2) && server.configuration.mpm != "prefork"
    body, = Open3.capture2("curl", "--silent", "--http2-prior-knowledge", "--max-time", "60",
                           "--header", "Host: wsgi.test",
                           "http://127.0.0.1:#{server.port}/whole", binmode: true)
    assert_equal Digest::SHA256.hexdigest(numbers), Digest::SHA256.hexdigest(body)
  end

  def test_a_connection_serves_further_requests_after_a_file
    raw = server.raw("wsgi.test")
    2.times { assert raw.get("/whole").body == numbers }
  ensure
    raw&.close
  end

  # Pieces would keep the only instance until the client reads.
  def test_an_instance_is_free_while_its_client_reads_nothing
    %w[wsgi.test pure.test rack.test].each do |site|
      raw = server.raw(site).request("GET", "/whole")
      raw.read_head
      3.times { assert_status 200, get("/hello", site: site) }
      assert raw.read_bytes(LARGE) == numbers
      raw.close
    end
  end

  def test_the_file_is_closed_at_once_by_the_application_s_object
    raw = server.raw("wsgi.test").request("GET", "/counted")
    raw.read_head
    eventually("its close()") { get("/closed").body.include?("file") }
    assert raw.read_bytes(LARGE) == numbers
  ensure
    raw&.close
  end

  def test_what_is_no_file_is_sent_in_pieces
    assert_equal "piped", get("/pipe").body
    assert_includes get("/closed").body, "pipe"
    assert_equal numbers[0, 1000].tr("0", "x"), get("/changed", site: "rack.test").body
  end

  def test_a_file_that_is_cut_while_it_is_sent_does_not_look_whole
    %w[/shrinking /shrinking-chunked].each do |path|
      position = server.log.position
      raw = server.raw("wsgi.test").request("GET", path)
      head = raw.read_head
      assert_status 200, get("/shrink")
      assert_raises(EOFError, Errno::ECONNRESET) do
        path == "/shrinking" ? raw.read_bytes(LARGE) : (nil while raw.read_chunk)
      end
      assert_equal path == "/shrinking", head["Content-Length"] == LARGE.to_s
      # The second one: httpd gets the file after it was cut.
      server.log.wait_for(/event=request.failed .*the\ (file\ of\ the\ answer\ became\ shorter|
                           answer's\ file\ has\ fewer\ bytes)/x, from: position)
      raw.close
    end
    assert_bytes numbers, get("/whole")
  end
end
