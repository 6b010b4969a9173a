# frozen_string_literal: true

require_relative "support/integration_test"

# Clients that send a body only when they are asked (Expect: 100-continue). The applications speak
# HTTP and, with PassengerBufferUpload off, ask themselves.
class AskedUploadsTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  # Node and Python only if installed. The site with a start command never sends an interim answer.
  SITES = {
    "node.test" => ["app.js", <<~JAVASCRIPT],
      const http = require("http");
      const server = http.createServer((request, response) => {
          const pieces = [];
          request.on("data", (piece) => pieces.push(piece));
          request.on("end", () => response.end(Buffer.concat(pieces)));
      });
      server.on("checkContinue", (request, response) => {
          if (request.url === "/refused") {
              response.writeHead(417);
              response.write("no, ");
              setTimeout(() => response.end("thank you"), 100);
          } else {
              response.writeContinue();
              server.emit("request", request, response);
          }
      });
      server.listen(3000);
    JAVASCRIPT
    "wsgi.test" => ["passenger_wsgi.py", <<~PYTHON]
      def application(environ, start_response):
          if environ["PATH_INFO"] == "/refused":
              start_response("417 Expectation Failed", [("Content-Type", "text/plain")])
              return [b"no, ", b"thank you"]
          body = environ["wsgi.input"].read()
          start_response("200 OK", [("Content-Type", "text/plain")])
          return [body]
    PYTHON
  }.freeze
  # Begins its answer, and reads the body then.
  EARLY = <<~'RUBY'
    require "socket"
    server = TCPServer.new("127.0.0.1", Integer(ENV.fetch("PORT")))
    loop do
      Thread.new(server.accept) do |socket|
        nil until [nil, "\r\n"].include?(socket.gets)
        socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\n" \
                     "Transfer-Encoding: chunked\r\n\r\n7\r\nfirst, \r\n")
        socket.write("7\r\n#{socket.read(5).to_s.bytesize} bytes\r\n0\r\n\r\n")
      ensure
        socket.close
      end
    end
  RUBY
  # Answer for longer than the look whether the client is there takes, and do not read the body.
  STREAMS = {
    "rack-stream.test" => ["config.ru", <<~RUBY],
      run(lambda do |_env|
        [200, {}, lambda do |stream|
          Thread.new do
            6.times { sleep(0.3) && stream.write("x") }
            stream.close
          end
        end]
      end)
    RUBY
    "asgi-stream.test" => ["passenger_asgi.py", <<~PYTHON]
      import asyncio

      async def application(scope, receive, send):
          assert scope["type"] == "http"
          await send({"type": "http.response.start", "status": 200, "headers": []})
          await send({"type": "http.response.body", "body": b"x", "more_body": True})
          listening = asyncio.ensure_future(receive())
          for _ in range(5):
              await asyncio.sleep(0.3)
              text = b"gone" if listening.done() else b"x"
              await send({"type": "http.response.body", "body": text, "more_body": True})
          await send({"type": "http.response.body"})
          await listening
    PYTHON
  }.freeze
  FRAMINGS = [["Content-Length", "5", "hello"],
              ["Transfer-Encoding", "chunked", "5\r\nhello\r\n0\r\n\r\n"]].freeze

  serve do |made|
    SITES.merge(STREAMS).each do |name, (file, text)|
      made.site(name, SampleApps.written(text, file),
                "PassengerBufferUpload off\nPassengerMaxInstances 1\nPassengerPython #{PYTHON}\n")
    end
    made.site("silent.test", SampleApps.copy("http_app"), <<~CONF)
      PassengerBufferUpload off
      PassengerMaxInstances 1
      PassengerAppStartCommand "#{RbConfig.ruby} server.rb"
    CONF
    made.site("early.test", SampleApps.written(EARLY, "early.rb"), <<~CONF)
      PassengerBufferUpload off
      PassengerMaxInstances 1
      PassengerAppStartCommand "#{RbConfig.ruby} early.rb"
    CONF
    made.site("buffered.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
  end

  def test_the_client_is_asked_by_the_application
    each_site do |site|
      FRAMINGS.each do |name, value, body|
        raw = ask(site, "/", name => value)
        assert_equal 100, raw.read_head.status, site
        assert_equal "hello", raw.write(body).response.body, site
        raw.close
      end
    end
  end

  def test_an_application_that_answers_at_once_does_not_get_the_body
    each_site do |site|
      3.times do
        raw = ask(site, "/refused", "Content-Length" => "1000000")
        assert_equal [417, "no, thank you"], raw.response.to_a.values_at(0, 2), site
        raw.close
      end
      assert_equal "next", client(site).post("/", "next").body
    end
  end

  def test_the_client_is_asked_although_the_application_sends_no_interim_answer
    FRAMINGS.each do |name, value, body|
      raw = ask("silent.test", "/echo", name => value)
      assert_equal 100, raw.read_head.status
      assert_equal "hello", raw.write(body).response.body
      raw.close
    end
  end

  def test_a_read_of_the_body_after_the_answer_has_begun_fails
    FRAMINGS.each do |name, value, _body|
      raw = ask("early.test", "/", name => value)
      assert_equal [200, "first, 0 bytes"], raw.response.to_a.values_at(0, 2)
      assert raw.ended?, "the client is not to take its body for wanted"
      raw.close
    end
  end

  def test_an_answer_of_which_the_client_was_not_asked_for_its_body_is_whole
    STREAMS.each_key do |site|
      next if site.start_with?("asgi") && !File.executable?(PYTHON)

      raw = ask(site, "/", "Content-Length" => "1000000")
      assert_equal [200, "xxxxxx"], raw.response.to_a.values_at(0, 2), site
      raw.close
    end
  end

  def test_a_client_that_sends_its_body_at_once_is_not_asked
    raw = ask("silent.test", "/head", "Content-Length" => "5").write("hello")
    head = raw.response.then { |answer| answer.status == 100 ? raw.response : answer }.body
    assert_match(/^Expect: 100-continue\r$/, head)
    assert_match(/^Content-Length: 5\r$/, head)
  ensure
    raw&.close
  end

  def test_a_body_that_was_kept_in_httpd_first_does_not_wait_for_the_application
    raw = ask("buffered.test", "/echo", "Content-Length" => "200000")
    assert_equal 100, raw.read_head.status
    assert_equal "x" * 200_000, raw.write("x" * 200_000).response.body
  ensure
    raw&.close
  end

  def test_the_application_does_not_get_the_expect_header
    raw = ask("buffered.test", "/head", "Content-Length" => "2000")
    assert_equal 100, raw.read_head.status
    refute_match(/expect/i, raw.write("x" * 2000).response.body)
  ensure
    raw&.close
  end

  private

  def ask(site, path, framing)
    server.raw(site).request("POST", path, framing.merge("Expect" => "100-continue"))
  end

  def each_site(&block)
    available = { "node.test" => system("node --version >/dev/null 2>&1"),
                  "wsgi.test" => File.executable?(PYTHON) }
    available.select { |_site, there| there }.keys.each(&block)
    skip "neither Node nor #{PYTHON} is here" if available.values.none?
  end
end
