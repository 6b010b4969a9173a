# frozen_string_literal: true

require_relative "support/integration_test"

# A body of a HEAD request reaches applications of each language, as that of any request.
class HeadBodiesTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  # Each answers with the header X-Body: what came.
  RUBY = <<~'RUBY'
    run ->(env) { [200, { "x-body" => env["rack.input"].read }, []] }
  RUBY
  NODE = <<~'JAVASCRIPT'
    require("http").createServer((request, response) => {
      let body = "";
      request.on("data", (piece) => { body += piece; });
      request.on("end", () => response.setHeader("X-Body", body).end());
    }).listen(3000);
  JAVASCRIPT
  WSGI = <<~'PYTHON'
    def application(environ, start_response):
        start_response("200 OK", [("X-Body", environ["wsgi.input"].read().decode())])
        return []
  PYTHON
  ASGI = <<~'PYTHON'
    async def application(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-body", body)]})
        await send({"type": "http.response.body"})
  PYTHON
  APPS = { "ruby" => [RUBY, "config.ru"], "node" => [NODE, "app.js"],
           "wsgi" => [WSGI, "passenger_wsgi.py"], "asgi" => [ASGI, "passenger_asgi.py"] }.freeze
  BODIES = { { "Content-Length" => "5" } => "hello",
             { "Transfer-Encoding" => "chunked" } => "7\r\nchunked\r\n0\r\n\r\n" }.freeze

  serve do |made|
    APPS.each do |name, app|
      made.site("#{name}.test", SampleApps.written(*app), "PassengerPython #{PYTHON}\n")
    end
  end

  APPS.each_key do |name|
    define_method("test_a_body_of_a_head_request_reaches_an_application_of_#{name}") do
      skip "needs node" if name == "node" && !system("node --version >/dev/null 2>&1")
      skip "needs python" if name.end_with?("sgi") && !File.executable?(PYTHON)
      raw = server.raw("#{name}.test")
      # On one connection: the answers have no bodies, and nothing of a request's is left.
      2.times do
        seen = BODIES.map do |head, body|
          raw.request("HEAD", "/", head).write(body).response(head: true)["X-Body"]
        end
        assert_equal %w[hello chunked], seen
      end
    ensure
      raw&.close
    end
  end
end
