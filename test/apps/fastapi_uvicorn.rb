# frozen_string_literal: true

require_relative "../integration/support/web_socket_client"

# FastAPI on uvicorn, which a start command runs.
class FastapiUvicorn < Application
  title "FastAPI with uvicorn"
  debian "python3-fastapi", "python3-uvicorn", "python3-wsproto"
  directives do
    "PassengerAppStartCommand \"/usr/bin/python3 -m uvicorn main:app --host 127.0.0.1 " \
    "--port $PORT --forwarded-allow-ips=*\"\n"
  end
  check "a model is checked" do
    answer = browser.post_json("/items", { name: "tea", price: 2.5 })
    assert_equal({ "name" => "tea", "total" => 5.0 }, JSON.parse(answer.body))
    assert_status 422, browser.post_json("/items", { name: "tea", price: "dear" })
    eventually("the background task") { browser.json("/done")["done"].include?("tea") }
  end

  check "the documentation is there" do
    assert_includes assert_status(200, browser.get("/docs")).body, "swagger"
    assert_includes browser.json("/openapi.json")["paths"].keys, "/items"
  end

  check "scheme, host and client are the client's" do
    answer = browser(tls: true).json("/about")
    assert_equal ["https://app.test:#{server.configuration.tls_port}/about", "127.0.0.1"],
                 answer.values_at("url", "client")
  end

  [false, true].each do |tls|
    check "a WebSocket echoes#{' over TLS' if tls}" do
      port = tls ? server.configuration.tls_port : server.port
      socket = WebSocketClient.new(port, Browser::SITE, "/socket", timeout: 20, tls: tls)
      assert_equal %w[HELLO AGAIN], %w[hello again].map { |text| socket.say(text).hear }
      socket.close
    end
  end

  check "an endless stream ends when its client leaves" do
    raw = server.raw(Browser::SITE)
    raw.request("GET", "/ticks").read_head
    3.times { assert_includes raw.read_chunk, "tick" }
    raw.close
    eventually("the stream's end", within: 20) { browser.json("/done")["gone"] == ["ticks"] }
  end

  check "fifty requests at once are answered" do
    assert_equal ["200"], at_once(50) { browser.get("/about").code }.uniq
  end
end
