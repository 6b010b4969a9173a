# frozen_string_literal: true

require "open3"
require "tempfile"

require_relative "support/integration_test"

# Trailer fields of answers: addTrailers() of Node, ASGI's extension http.response.trailers, and
# those of programs behind a bridge.
class TrailersTest < IntegrationTest
  HTTP2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")
  PYTHON = "/usr/bin/python3"
  PROGRAMS = { "node" => "node", "bridged" => "node", "asgi" => PYTHON, "command" => PYTHON }.freeze
  NODE = <<~'JS'
    require("http").createServer((request, response) => {
        const body = "some text";
        if (request.url === "/length") {
            return response.writeHead(200, { "Content-Length": body.length }).end(body);
        }
        // Node refuses the header where there is no body.
        const bodiless = request.url === "/none" || request.method === "HEAD";
        const fields = bodiless ? {} : { Trailer: "X-Sum, X-Name" };
        response.writeHead(request.url === "/none" ? 204 : 200, fields);
        const end = () => {
            response.addTrailers({ "X-Sum": "7", "X-Name": "caf\u00e9" });
            response.end();
        };
        if (request.url === "/none") {
            return end();
        }
        response.write(body);
        return request.url === "/later" ? setTimeout(end, 50) : end();
    }).listen(80);
  JS
  ASGI = <<~PYTHON
    import asyncio

    async def application(scope, receive, send):
        assert scope["type"] == "http"
        path = scope["path"]
        if path == "/known":
            known = str("http.response.trailers" in scope["extensions"]).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            return await send({"type": "http.response.body", "body": known})
        length = [(b"content-length", b"9")] if path == "/length" else []
        await send({"type": "http.response.start", "status": 204 if path == "/none" else 200,
                    "headers": [(b"trailer", b"X-Sum, X-Name"), *length], "trailers": True})
        await send({"type": "http.response.body", "body": b"some ", "more_body": True})
        await send({"type": "http.response.body", "body": b"text"})
        if path == "/later":
            await asyncio.sleep(0.05)
        await send({"type": "http.response.trailers", "headers": [(b"X-Sum", b"7")],
                    "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"X-Name", b"caf\\xe9")]})
  PYTHON
  # Sends trailer fields only if the request says that they are taken, as hyper does.
  COMMAND = <<~PYTHON
    import os, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(204 if self.path == "/none" else 200)
            if self.path == "/length":
                self.send_header("Content-Length", "9")
                self.end_headers()
                return self.wfile.write(b"some text")
            self.send_header("Trailer", "X-Sum, X-Name")
            if self.path != "/none":
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if self.path == "/none" or self.command == "HEAD":
                return
            self.wfile.write(b"5\\r\\nsome \\r\\n4\\r\\ntext\\r\\n")
            if self.path == "/later":
                time.sleep(0.05)
            taken = self.headers["TE"] == "trailers" and self.headers["Connection"] == "TE"
            fields = b"X-Sum: 7\\r\\nX-Name: caf\\xe9\\r\\n" if taken else b""
            self.wfile.write(b"0\\r\\n" + fields + b"\\r\\n")

        do_HEAD = do_GET

    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
  PYTHON
  TAKEN = { "TE" => "trailers", "Connection" => "close, TE" }.freeze
  FIELDS = "X-Sum: 7\r\nX-Name: caf\xe9\r\n".b
  WHOLE = "some text"

  serve do |made|
    made.main_directives << "LoadModule http2_module #{HTTP2}\nProtocols h2c http/1.1\n"
    made.site("node.test", SampleApps.written(NODE, "app.js"))
    made.site("bridged.test", SampleApps.written(NODE, "app.js"), "SetEnv PASSENGER_NATIVE off\n")
    made.site("asgi.test", SampleApps.written(ASGI, "passenger_asgi.py"),
              "PassengerPython #{PYTHON}\n")
    made.site("command.test", SampleApps.written(COMMAND, "serve.py"),
              "PassengerAppStartCommand \"exec #{PYTHON} serve.py\"\n")
  end

  PROGRAMS.each_key do |name|
    define_method("test_a_client_of_http_1_1_that_takes_trailers_gets_those_of_#{name}") do
      skip_without(name)
      %w[/ /later].each do |path|
        head, body = sent(name, path, TAKEN)
        assert_match(/^Trailer: X-Sum, X-Name\r$/, head)
        assert_match(/^Transfer-Encoding: chunked\r?$/, head)
        assert body.end_with?("\r\n0\r\n#{FIELDS}\r\n".b), body.inspect
        assert_equal WHOLE, whole(body)
      end
    end

    define_method("test_a_client_that_does_not_say_so_gets_none_of_#{name}") do
      skip_without(name)
      head, body = sent(name, "/", { "Connection" => "close" })
      refute_match(/trailer/i, head)
      # Without chunks if all of it has come at once.
      assert_equal WHOLE, head.match?(/^Transfer-Encoding: chunked/) ? whole(body) : body
      refute_includes body, "X-Sum"
    end

    define_method("test_an_answer_with_a_length_and_one_without_a_body_have_none_of_#{name}") do
      skip_without(name)
      head, body = sent(name, "/length", TAKEN)
      assert_equal ["9", WHOLE], [head[/^Content-Length: (\d+)/, 1], body]
      assert_equal "", sent(name, "/none", TAKEN).last
      assert_equal "", sent(name, "/", TAKEN, method: "HEAD").last
    end

    define_method("test_the_connection_is_kept_behind_trailers_of_#{name}") do
      skip_without(name)
      fields, output = fetched(name, "--header", "TE: trailers", "--header", "Connection: TE",
                               "--write-out", " %{num_connects} ", address, address)
      assert_equal "#{WHOLE} 1 #{WHOLE} 0 ", output
      assert_equal 2, fields.scan(/^X-Sum: 7\r\n/).size
    end

    define_method("test_a_client_of_http_2_gets_those_of_#{name}") do
      skip_without(name)
      skip "needs mod_http2" unless File.exist?(HTTP2)
      skip "mod_http2 does not do prefork" if HttpdConfiguration.new.mpm == "prefork"
      fields, output = fetched(name, "--http2-prior-knowledge", "#{address}later")
      assert_equal WHOLE, output
      assert_match(/^HTTP\/2 200.*^x-sum: 7\r\n/m, fields)
    end
  end

  def test_an_asgi_application_knows_whether_its_client_takes_trailers
    skip_without("asgi")
    assert_equal "True", whole(sent("asgi", "/known", TAKEN).last)
    assert_equal "False", client("asgi.test").get("/known").body
  end

  private

  def sent(name, path, headers, method: "GET")
    raw = server.raw("#{name}.test").request(method, path, headers)
    raw.read_to_end.b.split("\r\n\r\n", 2)
  ensure
    raw&.close
  end

  # The content of chunks.
  def whole(chunks)
    text = +""
    rest = chunks
    while (size = rest[/\A(\h+)\r\n/, 1].hex).positive?
      text << rest[rest.index("\n") + 1, size]
      rest = rest[(rest.index("\n") + size + 3)..]
    end
    text
  end

  def address
    "http://127.0.0.1:#{server.port}/"
  end

  # The heads and trailer fields, and the bodies.
  def fetched(name, *options)
    Tempfile.create("fields") do |file|
      command = ["curl", "--silent", "--show-error", "--max-time", "60", "--dump-header", file.path,
                 "--header", "Host: #{name}.test", *options]
      output, error, status = Open3.capture3(*command)
      assert status.success?, error
      [File.binread(file.path), output]
    end
  end

  def skip_without(name)
    program = PROGRAMS[name]
    skip "there is no #{program}" unless system("command -v #{program} > /dev/null")
  end
end
