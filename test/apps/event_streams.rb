# frozen_string_literal: true

# Event streams of Express: 300 browsers that wait for news.
class EventStreams < Application
  title "300 event streams"
  npm "express@5"

  def open_streams(count)
    Array.new(count) do
      server.raw(Browser::SITE, timeout: 20).tap do |raw|
        assert_equal 200, raw.request("GET", "/events").read_head.status
        assert_includes raw.read_chunk, "welcome"
      end
    end
  end

  check "news reaches 300 streams" do
    @streams = open_streams(300)
    assert_equal "300", assert_status(200, browser.post("/news", {})).body
    assert_equal ["data: news\n\n"], @streams.map(&:read_chunk).uniq
  end

  check "an ordinary request is answered beside them" do
    assert_status 200, browser.get("/streams")
  end

  check "the application learns that all browsers have left" do
    @streams.each(&:close)
    eventually("no stream", within: 30) { browser.get("/streams").body == "0" }
  end
end
