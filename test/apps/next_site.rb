# frozen_string_literal: true

# Next.js, built for production, with a server of its own as its guide has it.
class NextSite < Application
  title "Next.js"
  npm "next@16", "react@19", "react-dom@19"
  build "npx", "next", "build"
  directives do |folder|
    "PassengerAppRoot #{folder}\nPassengerAppType node\nPassengerStartupFile server.js\n"
  end

  check "a page is made for each request, with the client's scheme" do
    assert_match(/Hello, .*http\b/, browser.get("/").body)
    assert_match(/Hello, .*https/, browser(tls: true).get("/").body)
  end

  check "the scripts of a page are there, and may be kept" do
    path = browser.get("/").body[%r{/_next/static/[^"]+\.js}]
    answer = assert_status(200, browser.get(path))
    assert_includes answer["Cache-Control"], "immutable"
    assert_includes answer["Content-Type"], "javascript"
  end

  check "a route gets JSON" do
    answer = assert_status(200, browser.post_json("/api/hello?a=%C3%A9", { name: "ada" }))
    assert_equal({ "greeting" => "hello ada", "path" => "/api/hello", "query" => "?a=%C3%A9" },
                 JSON.parse(answer.body))
  end

  check "a page that waits for a part of it is streamed" do
    pieces = []
    server.client(Browser::SITE).get_stream("/slow") { |piece| pieces << piece }
    assert_includes pieces.first, "early"
    refute_includes pieces.first, "late news"
    assert_includes pieces.join, "late news"
  end

  [false, true].each do |tls|
    check "a form of a server action is taken#{' over TLS' if tls}" do
      user = browser(tls: tls)
      answer = user.submit_parts("/", "name" => "ada")
      assert_status 303, answer
      assert_match(/Hello, .*ada/, user.get("/").body)
    end
  end

  check "a file of public comes from httpd" do
    assert_includes browser.get("/robots.txt").body, "User-agent"
  end
end
