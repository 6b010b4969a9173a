# frozen_string_literal: true

# Flask in the root and below a URL of its own, with sessions, uploads and streams.
class FlaskSite < Application
  title "Flask"
  debian "python3-flask"
  directives do |folder|
    "PassengerPython /usr/bin/python3\nAlias /sub #{folder}/public\n" \
    "<Location /sub>\nPassengerBaseURI /sub\nPassengerAppRoot #{folder}\n</Location>\n"
  end

  ["", "/sub"].each do |place|
    check "a session holds below #{place}/" do
      user = browser
      answer = user.post("#{place}/login", "user" => "Grace & Ada")
      assert_match %r{(\A|:\d+)#{place}/user\z}, answer["Location"]
      assert_equal({ "user" => "Grace & Ada", "messages" => ["welcome"] },
                   user.json("#{place}/user"))
    end

    check "URLs and the client are known below #{place}/" do
      answer = browser(tls: true).json("#{place}/about/caf%C3%A9/b%20c?a=1&a=%C3%A9")
      assert_equal ["https://app.test:#{server.configuration.tls_port}#{place}/user", place, true,
                    "127.0.0.1", "café/b c", %w[1 é]],
                   answer.values_at("url", "root", "secure", "address", "name", "arguments")
    end
  end

  check "two files are uploaded" do
    parts = [["one", "x" * 3_000_000, { filename: "one.bin" }],
             ["two", "é", { filename: "two.txt" }]]
    assert_equal({ "one" => ["one.bin", 3_000_000], "two" => ["two.txt", 2] },
                 JSON.parse(assert_status(200, browser.post_parts("/upload", parts)).body))
  end

  check "a stream arrives whole" do
    assert_equal 1_000, browser.get("/stream").body.lines.size
  end

  check "an exception fails its own request only" do
    assert_status 500, browser.get("/raises")
    assert_status 200, browser.get("/user")
  end
end
