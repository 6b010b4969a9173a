# frozen_string_literal: true

# NestJS in TypeScript: routes, server-sent events, and a gateway of socket.io.
class NestSite < Application
  title "NestJS"
  npm "@nestjs/core@11", "@nestjs/common@11", "@nestjs/platform-express@11",
      "@nestjs/websockets@11", "@nestjs/platform-socket.io@11", "reflect-metadata@0.2", "rxjs@7",
      "typescript@5", "socket.io-client@4"
  build "npx", "tsc"
  directives do |folder|
    "PassengerAppRoot #{folder}\nPassengerAppType node\nPassengerStartupFile dist/main.js\n"
  end

  check "a note is kept, and read" do
    assert_equal({ "count" => 1 }, JSON.parse(browser.post_json("/notes", { text: "tea" }).body))
    assert_equal({ "text" => "tea" }, browser.json("/notes/0"))
  end

  check "an argument of another type is refused" do
    assert_status 400, browser.get("/notes/none")
  end

  check "scheme, host and client are the client's" do
    port = server.configuration.tls_port
    assert_equal({ "protocol" => "https", "ip" => "127.0.0.1", "host" => "app.test:#{port}" },
                 browser(tls: true).json("/about"))
  end

  check "server-sent events arrive" do
    assert_equal [0, 1, 2, 3, 4],
                 browser.get("/ticks").body.scan(/"number":(\d)/).flatten.map(&:to_i)
  end

  %w[polling websocket].each do |transport|
    check "twenty clients of the gateway by #{transport} get a broadcast" do
      assert_equal "20 have heard it",
                   client("node", client_program("socket_io.js"), url, transport, "20").strip
    end
  end
end
