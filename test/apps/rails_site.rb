# frozen_string_literal: true

require "digest"
require_relative "../integration/support/web_socket_client"

# Rails with Action Cable, Active Storage and Live. One process, since Action Cable's `async`
# adapter reaches no others.
class RailsSite < Application
  title "Rails: ActionCable, ActiveStorage, Live"
  debian "ruby-rails", "ruby-sqlite3"
  prepare ["env", "RACK_ENV=production", "ruby", "prepare.rb"]
  set "PassengerMaxPoolSize", 1

  PAPER = Random.new(1).bytes(3_000_000)

  def cable(tls: false)
    port = tls ? server.configuration.tls_port : server.port
    socket = WebSocketClient.new(port, Browser::SITE, "/cable", timeout: 20, tls: tls)
    socket.say(JSON.generate(command: "subscribe", identifier: '{"channel":"ChatChannel"}'))
    hear(socket) { |message| message["type"] == "confirm_subscription" }
    socket
  end

  def hear(socket)
    message = JSON.parse(socket.hear)
    message = JSON.parse(socket.hear) until yield message
    message
  end

  check "an upload is kept, and is downloaded over TLS" do
    user = browser(tls: true)
    token = user.get("/notes").body[/name="authenticity_token" value="([^"]+)"/, 1]
    parts = [["authenticity_token", token], ["paper", PAPER, { filename: "paper.bin" }]]
    answer = assert_status(302, user.post_parts("/notes", parts))
    assert_match(%r{\Ahttps://app\.test:\d+/notes/1\z}, answer["Location"])
    answer = user.follow(answer) while answer.code == "302"
    assert_equal Digest::SHA256.digest(PAPER), Digest::SHA256.digest(answer.body)
    assert_includes user.get("/notes").body, "visit 2, kept"
  end

  check "a form without its token is refused" do
    assert_status 422, browser.post("/notes", "paper" => "x")
  end

  check "a file goes directly to the storage" do
    user = browser
    token = user.get("/notes").body[/name='csrf' content='([^']+)'/, 1]
    sum = Digest::MD5.base64digest(PAPER)
    blob = { filename: "direct.bin", byte_size: PAPER.size, checksum: sum,
             content_type: "application/octet-stream" }
    answer = user.post_json("/rails/active_storage/direct_uploads", { blob: blob },
                            "X-CSRF-Token" => token)
    place = URI(JSON.parse(assert_status(200, answer).body)["direct_upload"]["url"])
    raw = server.raw(Browser::SITE)
    raw.request("PUT", place.request_uri, "Content-Type" => "application/octet-stream",
                                          "Content-MD5" => sum,
                                          "Content-Length" => PAPER.size.to_s)
    assert_equal 204, raw.write(PAPER).response.status
  end

  check "live events arrive one by one, and their end is noticed" do
    raw = server.raw(Browser::SITE)
    assert_equal 200, raw.request("GET", "/events").read_head.status
    text = +""
    text << raw.read_chunk.to_s until text.scan(/\d+/).size > 2
    assert_equal %w[0 1 2], text.scan(/\d+/).first(3)
    assert_operator text.scan(/\d+/).size, :<, 400
    raw.close
    eventually("the end", within: 30) { browser.get("/gone").body == "true" }
  end

  [false, true].each do |tls|
    check "twenty visitors hear what one says#{' over TLS' if tls}" do
      sockets = Array.new(20) { cable(tls: tls) }
      assert_status 204, browser.post("/say", "text" => "hello")
      texts = sockets.map { |socket| hear(socket) { |one| one["message"].is_a?(Hash) } }
      assert_equal ["hello"], texts.map { |one| one["message"]["text"] }.uniq
      sockets.each(&:close)
    end
  end
end
