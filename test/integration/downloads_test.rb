# frozen_string_literal: true

require_relative "support/integration_test"

# Response bodies of all sizes.
class DownloadsTest < IntegrationTest
  LARGE = 100 * 1024 * 1024
  ALLOWANCE = 24 * 1024 * 1024

  serve do |made|
    made.site("rack.test", SampleApps.rack)
    made.site("rails.test", SampleApps.rails, "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def test_bodies_around_every_limit_of_the_protocol_arrive_whole
    [0, 1, 3_584, 8_192, 65_000, 65_520, 65_536, 65_537, 131_072, 1_000_000].each do |size|
      [65_521, 1_000].each do |piece|
        assert_equal [size, Pattern.digest(size)],
                     fetch(client, "/download?bytes=#{size}&piece=#{piece}")
      end
    end
  end

  def test_a_hundred_megabytes_arrive_whole_in_bounded_memory
    client.get("/hello")
    answer, growth = MemorySampler.new(server.tree).during do
      fetch(client, "/download?bytes=#{LARGE}")
    end
    assert_equal [LARGE, Pattern.digest(LARGE)], answer
    too_much = growth.select { |_, bytes| bytes > ALLOWANCE }
    assert_empty too_much
  end

  def test_a_hundred_megabytes_without_a_length_arrive_whole
    assert_equal [LARGE, Pattern.digest(LARGE)], fetch(client, "/download?bytes=#{LARGE}&length=no")
  end

  def test_a_hundred_megabytes_from_rails_arrive_whole
    assert_equal [LARGE, Pattern.digest(LARGE)],
                 fetch(client("rails.test"), "/download?bytes=#{LARGE}")
  end

  def test_a_client_that_reads_slowly_gets_the_whole_body
    size = 5_000_000
    raw = server.raw
    raw.request("GET", "/download?bytes=#{size}").read_head
    sleep 0.5
    raw.close_write
    assert_equal Pattern.digest(size), OpenSSL::Digest::SHA256.hexdigest(raw.read_bytes(size))
  ensure
    raw&.close
  end

  private

  # Returns size and digest of the received body.
  def fetch(client, path)
    digest = OpenSSL::Digest::SHA256.new
    size = 0
    response = client.get_stream(path) do |piece|
      digest << piece
      size += piece.bytesize
    end
    assert_status 200, response
    [size, digest.hexdigest]
  end
end
