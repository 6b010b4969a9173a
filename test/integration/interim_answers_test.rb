# frozen_string_literal: true

require "open3"

require_relative "support/integration_test"

# 1xx answers: rack.early_hints, ASGI's extension http.response.early_hint, and an application that
# writes to its reply channel itself.
class InterimAnswersTest < IntegrationTest
  APPLICATION = <<~'RUBY'
    module SendsInterimAnswers
      def respond(*, **)
        Thread.current[:interim_answers].times do |number|
          head = "X-Number: #{number}\r\n"
          @channel.send_message([@ticket, 3, 0, 103, head.bytesize, 0, 0, head].pack("Q<CCvVVVa*"))
        end
        super
      end
    end

    run(lambda do |env|
      PhusionPassenger::Reply.prepend(SendsInterimAnswers)
      Thread.current[:interim_answers] = env["PATH_INFO"].delete("/").to_i
      [200, { "Content-Type" => "text/plain", "Content-Length" => "5" }, ["final"]]
    end)
  RUBY

  HINTS = <<~'RUBY'
    run(lambda do |env|
      env["rack.early_hints"].call("Link" => "</a.css>; rel=preload\n</b.js>; rel=preload")
      [200, { "Content-Type" => "text/plain", "Content-Length" => "5" }, ["final"]]
    end)
  RUBY

  PYTHON = "/usr/bin/python3"
  HTTP2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")
  # The hint behind the answer's head comes too late, and is left out.
  ASGI = <<~PYTHON
    async def application(scope, receive, send):
        hint = {"type": "http.response.early_hint"}
        if scope["extensions"].get("http.response.early_hint") == {}:
            await send({**hint, "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
            await send({**hint, "links": (b"</%d>" % number for number in range(1))})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fi", "more_body": True})
        if "http.response.early_hint" in scope["extensions"]:
            await send({**hint, "links": [b"</late>"]})
        await send({"type": "http.response.body", "body": b"nal"})
  PYTHON

  serve do |made|
    made.main_directives << "LoadModule http2_module #{HTTP2}\nProtocols h2c http/1.1\n" \
                            "H2EarlyHints on\n"
    made.site("rack.test", SampleApps.written(APPLICATION))
    made.site("hints.test", SampleApps.written(HINTS), "SetEnv PASSENGER_EARLY_HINTS on\n")
    asgi = "PassengerPython #{PYTHON}\n"
    made.site("asgi.test", SampleApps.written(ASGI, "passenger_asgi.py"),
              "#{asgi}SetEnv PASSENGER_EARLY_HINTS on\n")
    made.site("unasked.test", SampleApps.written(ASGI, "passenger_asgi.py"), asgi)
  end

  def setup
    @raw = server.raw
  end

  def teardown
    @raw.close
  end

  def test_sixteen_interim_answers_arrive_before_the_answer
    @raw.request("GET", "/16")
    numbers = Array.new(16) { @raw.read_head.then { |head| [head.status, head["X-Number"]] } }
    assert_equal Array.new(16) { |number| [103, number.to_s] }, numbers
    assert_equal [200, "final"], @raw.response.then { |response| [response.status, response.body] }
  end

  def test_early_hints_arrive_before_the_answer
    raw = server.raw("hints.test")
    head = raw.request("GET", "/").read_head
    assert_equal [103, ["</a.css>; rel=preload", "</b.js>; rel=preload"]],
                 [head.status, head.all("Link")]
    assert_equal [200, "final"], raw.response.then { |response| [response.status, response.body] }
  ensure
    raw&.close
  end

  def test_hints_of_asgi_arrive_before_the_answer
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
    raw = server.raw("asgi.test").request("GET", "/")
    hints = Array.new(2) { raw.read_head }.map { |head| [head.status, head.all("Link")] }
    assert_equal [[103, ["</a.css>; rel=preload", "</b.js>; rel=preload"]], [103, ["</0>"]]], hints
    answer = raw.response
    assert_equal [200, "final", nil], [answer.status, answer.body, answer["Link"]]
  ensure
    raw&.close
  end

  def test_a_client_of_http_2_gets_the_hints_of_asgi
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
    skip "needs mod_http2" unless File.exist?(HTTP2)
    skip "mod_http2 does not do prefork" if HttpdConfiguration.new.mpm == "prefork"
    heads, status = Open3.capture2("curl", "--silent", "--show-error", "--max-time", "60",
                                   "--http2-prior-knowledge", "--dump-header", "-", "--header",
                                   "Host: asgi.test", "http://127.0.0.1:#{server.port}/")
    assert status.success?
    assert_equal %w[103 103 200], heads.scan(/^HTTP\/2 (\d+)/).flatten
    assert_equal ["</a.css>; rel=preload, </b.js>; rel=preload", "</0>"],
                 heads.scan(/^link: (.*)\r$/).flatten
    assert heads.end_with?("\r\n\r\nfinal")
  end

  def test_hints_of_asgi_are_offered_only_where_they_are_configured
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
    raw = server.raw("unasked.test").request("GET", "/")
    assert_equal [200, "final"], raw.response.then { |response| [response.status, response.body] }
  ensure
    raw&.close
  end

  def test_interim_answers_without_end_are_a_malformed_answer
    position = server.log.position
    @raw.request("GET", "/100000")
    16.times { assert_equal 103, @raw.read_head.status }
    assert_equal 502, @raw.response.status
    assert_match(/status=502 reason="malformed/,
                 server.log.wait_for(/request\.failed/, from: position))
    assert_equal 200, client.get("/0").code.to_i
  end
end
