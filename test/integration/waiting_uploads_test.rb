# frozen_string_literal: true

require_relative "support/integration_test"

# Request bodies whose requests wait in the line while their application is restarted, and so are sent again.
class WaitingUploadsTest < IntegrationTest
  SIZE = 60_000

  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    made.site("rack.test", SampleApps.rack, "<Location /upload>\n  PassengerBufferUpload off\n</Location>\n")
  end

  def test_a_complete_upload_that_waits_through_a_restart_arrives_whole
    upload(SIZE) { |raw| restart && raw }
  end

  def test_an_upload_that_goes_on_after_a_restart_arrives_whole
    upload(SIZE / 2) do |raw|
      restart
      raw.write(Pattern.bytes(SIZE).byteslice((SIZE / 2)..))
    end
  end

  # All of it is here, far more than the channel holds.
  def test_a_buffered_upload_that_waits_through_a_restart_arrives_whole
    upload(5_000_000, "/peek", 5_000_000) { |raw| restart && raw }
  end

  private

  # With so many of its bytes sent while the instance is busy; the block does the rest.
  def upload(sent, path = "/upload", size = SIZE)
    old = client.pid
    busy = occupy
    raw = server.raw.request("POST", path, { "Content-Length" => size.to_s })
    raw.write(Pattern.bytes(size).byteslice(0, sent))
    # Time for httpd to pass it on. Were it too short, the test would see less, and not fail.
    sleep 0.3
    yield raw
    answer = JSON.parse(raw.response.body)
    assert_equal [size, Pattern.digest(size)], answer.values_at("size", "sha256")
    refute_equal old.to_s, answer["pid"].to_s, "the new version has answered"
  ensure
    raw&.close
    release(@fifo) if busy
    busy&.join
  end

  # A request that keeps the only instance.
  def occupy
    @fifo = fifo
    started = File.join(scratch, "started")
    request = Thread.new { server.client("rack.test", timeout: 60).get("/wait?fifo=#{@fifo}&started=#{started}") }
    eventually("it has begun") { File.exist?(started) }
    request
  end

  # Returns when the new version serves.
  def restart
    root = server.configuration.sites.first.root
    file = File.join(root, "tmp/restart.txt")
    before = server.log.position
    FileUtils.touch(file) unless File.exist?(file)
    File.utime(Time.now, Time.now + rand(1..100_000), file)
    assert server.log.wait_for(/rack_app loaded in/, from: before)
  end
end
