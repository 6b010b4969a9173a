# frozen_string_literal: true

require_relative "support/integration_test"

# Bodies of requests that wait in the queue while their application is restarted, and are sent
# again.
class WaitingUploadsTest < IntegrationTest
  SIZE = 60_000

  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    made.site("rack.test", SampleApps.rack,
              "<Location /upload>\n  PassengerBufferUpload off\n</Location>\n")
  end

  def test_a_complete_upload_that_waits_through_a_restart_arrives_whole
    upload(SIZE) { |raw| restart && raw }
  end

  def test_an_upload_that_continues_after_a_restart_arrives_whole
    upload(SIZE / 2) do |raw|
      restart
      raw.write(Pattern.bytes(SIZE).byteslice((SIZE / 2)..))
    end
  end

  # The whole body is in httpd, far more than the channel holds.
  def test_a_buffered_upload_that_waits_through_a_restart_arrives_whole
    upload(5_000_000, "/peek", 5_000_000) { |raw| restart && raw }
  end

  private

  # Sends so many bytes of the body while the instance is busy; the block sends the rest.
  def upload(sent, path = "/upload", size = SIZE)
    old = client.pid
    busy = occupy
    raw = server.raw.request("POST", path, { "Content-Length" => size.to_s })
    raw.write(Pattern.bytes(size).byteslice(0, sent))
    # Gives httpd time to pass it on. If the time is too short, the test only checks less.
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

  # Sends a request that keeps the only instance.
  def occupy
    @fifo = fifo
    started = File.join(scratch, "started")
    request = Thread.new do
      server.client("rack.test", timeout: 60).get("/wait?fifo=#{@fifo}&started=#{started}")
    end
    eventually("it has begun") { File.exist?(started) }
    request
  end

  # Returns once the new version serves.
  def restart
    root = server.configuration.sites.first.root
    file = File.join(root, "tmp/restart.txt")
    before = server.log.position
    FileUtils.touch(file) unless File.exist?(file)
    File.utime(Time.now, Time.now + rand(1..100_000), file)
    assert server.log.wait_for(/rack_app loaded in/, from: before)
  end
end
