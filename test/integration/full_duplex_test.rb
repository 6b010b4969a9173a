# frozen_string_literal: true

require_relative "support/integration_test"

# Applications that answer while they read: with PassengerBufferUpload off the client gets each
# piece of the answer before it sends the next piece of the body.
class FullDuplexTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  NODE = <<~'JS'
    require("http").createServer((request, response) => {
        response.writeHead(200);
        response.flushHeaders();
        request.on("data", (piece) => response.write(String(piece).toUpperCase()));
        request.on("end", () => response.end("end"));
    }).listen(80);
  JS
  ASGI = <<~PYTHON
    async def application(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"].upper(),
                        "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})
  PYTHON
  RACK = <<~'RUBY'
    run(lambda do |env|
      body = Enumerator.new do |answer|
        while (piece = env["rack.input"].read(5))
          answer << piece.upcase
        end
        answer << "end"
      end
      [200, {}, body]
    end)
  RUBY
  # Sends what it reads. Makes the file `begun` when it has sent so many bytes.
  ECHO = <<~'RUBY'
    run(lambda do |env|
      size, begun = env.values_at("HTTP_X_SIZE", "HTTP_X_BEGUN")
      body = Enumerator.new do |answer|
        sent = 0
        while (piece = env["rack.input"].read(16_384))
          answer << piece
          sent += piece.bytesize
          File.write(begun, "") if sent == Integer(size)
        end
      end
      [200, {}, body]
    end)
  RUBY
  # Bytes, more than the sockets between httpd and a client hold.
  MUCH = 512 * 16_384
  PROGRAMS = { "node" => "node", "bridged" => "node", "asgi" => PYTHON, "rack" => "ruby" }.freeze
  PIECES = %w[first later third].freeze

  serve do |made|
    made.set("PassengerBufferUpload", "off")
    made.set("PassengerMaxPoolSize", 10)
    made.site("node.test", SampleApps.written(NODE, "app.js"))
    made.site("bridged.test", SampleApps.written(NODE, "app.js"), "SetEnv PASSENGER_NATIVE off\n")
    made.site("asgi.test", SampleApps.written(ASGI, "passenger_asgi.py"),
              "PassengerPython #{PYTHON}\n")
    made.site("rack.test", SampleApps.written(RACK))
    made.site("echo.test", SampleApps.written(ECHO))
  end

  PROGRAMS.each do |name, program|
    define_method("test_the_answer_comes_while_the_body_is_sent_of_#{name}") do
      skip "there is no #{program}" unless system("command -v #{program} > /dev/null")

      raw = server.raw("#{name}.test").request("POST", "/", "Transfer-Encoding" => "chunked")
      converse(raw) { |piece| raw.write("#{piece.size.to_s(16)}\r\n#{piece}\r\n") }
      raw.write("0\r\n\r\n")
      assert_equal "end", read(raw, 3)
      assert_nil raw.read_chunk
    ensure
      raw&.close
    end
  end

  # The application waits for the body, and the client for the answer to what it has sent.
  def test_an_answer_that_waits_for_its_client_goes_on_while_the_client_sends_nothing
    begun = File.join(scratch, "begun")
    raw = server.raw("echo.test", window: 4096)
    raw.request("POST", "/", "Content-Length" => (2 * MUCH).to_s, "X-Size" => MUCH.to_s,
                             "X-Begun" => begun)
    raw.write("a" * MUCH)
    eventually("the application has sent the first half") { File.exist?(begun) }
    assert_equal 200, raw.read_head.status
    assert_equal "a" * MUCH, read(raw, MUCH)
    raw.write("b" * MUCH)
    assert_equal "b" * MUCH, read(raw, MUCH)
  ensure
    raw&.close
  end

  private

  # Sends each piece after the answer to the one before.
  def converse(raw)
    PIECES.each_with_index do |piece, index|
      yield piece
      assert_equal 200, raw.read_head.status if index.zero?
      assert_equal piece.upcase, read(raw, piece.size)
    end
  end

  # So many bytes of the answer, in whatever chunks.
  def read(raw, size)
    text = +""
    text << raw.read_chunk while text.size < size
    text
  end
end
