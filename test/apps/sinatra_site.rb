# frozen_string_literal: true

# A classic application of Sinatra, in the root and below a URL of its own.
class SinatraSite < Application
  title "Sinatra"
  debian "ruby-sinatra"
  directives do |folder|
    "Alias /sub #{folder}/public\n" \
    "<Location /sub>\nPassengerBaseURI /sub\nPassengerAppRoot #{folder}\n</Location>\n"
  end

  ["", "/sub"].each do |place|
    check "a session holds below #{place}/" do
      user = browser
      answer = user.post("#{place}/name", "name" => "<Zoë>")
      assert_equal "http://app.test:#{server.port}#{place}/", answer["Location"]
      assert_includes user.follow(answer).body.force_encoding("UTF-8"), "Hello, &lt;Zoë&gt;"
    end

    check "URLs and the client are known below #{place}/" do
      answer = browser(tls: true).json("#{place}/about/caf%C3%A9/b")
      assert_equal ["café/b", "https://app.test:#{server.configuration.tls_port}#{place}/x",
                    "127.0.0.1", true], answer.values_at("path", "url", "ip", "secure")
    end
  end

  check "a stream arrives whole" do
    assert_equal 3, browser.get("/stream").body.lines.size
  end

  check "a file has a length, a date and ranges" do
    answer = browser.get("/file", "Range" => "bytes=2-20")
    assert_status 206, answer
    assert_equal ["frozen_string_liter", true], [answer.body, !answer["Last-Modified"].nil?]
  end

  check "error pages are the application's" do
    assert_equal "an error page", assert_status(500, browser.get("/raises")).body
    assert_equal "no such page", assert_status(404, browser.get("/nothing")).body
  end
end
