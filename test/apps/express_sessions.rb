# frozen_string_literal: true

# Express behind httpd with and without TLS, with sessions in memory.
class ExpressSessions < Application
  title "Express with sessions"
  npm "express@5", "express-session@1"

  %w[one all loopback auto].each do |place|
    check "a login over TLS holds, trust proxy #{place}" do
      user = browser(tls: true)
      assert_status 302, user.post("/#{place}/login", "user" => "ada")
      assert_equal "ada", user.get("/#{place}/user").body
    end
  end

  check "a login without TLS holds" do
    user = browser
    user.post("/auto/login", "user" => "ada")
    assert_equal "ada", user.get("/auto/user").body
  end

  check "the scheme is the one of the client" do
    seen = [false, true].map { |tls| browser(tls: tls).json("/loopback/about")["protocol"] }
    assert_equal %w[http https], seen
  end

  check "the client's address is the one that a proxy in front tells" do
    answer = browser.json("/loopback/about", "X-Forwarded-For" => "192.0.2.7")
    assert_equal "192.0.2.7", answer["ip"]
  end

  check "the address of the socket is a loopback address" do
    assert_match(/\A(::ffff:)?127\.0\.0\.1\z/, browser.json("/loopback/about")["address"].to_s)
  end

  check "sixty requests at once see the session" do
    user = browser
    user.post("/auto/login", "user" => "ada")
    assert_equal ["ada"], at_once(60) { user.get("/auto/slow").body }.uniq
  end
end
