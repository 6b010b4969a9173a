# frozen_string_literal: true

require_relative "support/integration_test"

# Bodies far larger than ALLOWANCE enlarge no process, in either direction.
class LargeBodiesTest < IntegrationTest
  SIZE = Integer(ENV.fetch("PASSENGER_LARGE_BODY", 256 * 1024 * 1024))
  # Seconds, on a machine with other work.
  PATIENCE = 60 + SIZE / (8 * 1024 * 1024)
  ALLOWANCE = 16 * 1024 * 1024

  serve do |made|
    # httpd must not give up a client that begins to read late.
    made.main_directives << "Timeout #{PATIENCE}\nLimitRequestBody 0\n" \
                            "PassengerResponseBufferHighWatermark 2147483647\n"
    made.set("PassengerMaxPoolSize", 2)
    made.site("rack.test", SampleApps.rack, "PassengerMaxInstances 1\n")
    made.site("streamed.test", SampleApps.rack,
              "PassengerMaxInstances 1\nPassengerBufferUpload off\n")
  end

  def setup
    # Each process then has the memory that it needs for any body.
    %w[rack.test streamed.test].each do |site|
      client(site).post("/upload", Pattern.bytes(2_000_000))
    end
    client.get("/download?bytes=20000000")
  end

  def client(site = "rack.test")
    server.client(site, timeout: PATIENCE)
  end

  def assert_bounded
    value, growth = MemorySampler.new(server.tree).during { yield }
    assert_empty growth.select { |_, bytes| bytes > ALLOWANCE }
    value
  end

  def test_an_upload_does_not_enlarge_any_process
    response = assert_bounded do
      client.post_stream("/upload", Pattern::Reader.new(SIZE), length: SIZE)
    end
    assert_equal SIZE, JSON.parse(response.body)["size"]
  end

  def test_a_streamed_upload_does_not_enlarge_any_process
    response = assert_bounded do
      client("streamed.test").post_stream("/upload", Pattern::Reader.new(SIZE))
    end
    assert_equal SIZE, JSON.parse(response.body)["size"]
  end

  def test_a_download_does_not_enlarge_any_process
    size = 0
    assert_bounded do
      client.get_stream("/download?bytes=#{SIZE}") { |piece| size += piece.bytesize }
    end
    assert_equal SIZE, size
  end

  def test_a_download_that_is_read_late_does_not_enlarge_any_process
    wanted = [SIZE, 1024 * 1024 * 1024].min
    raw = server.raw("rack.test", timeout: PATIENCE)
    raw.request("GET", "/download?bytes=#{wanted}&length=no")
    size = 0
    assert_bounded do
      raw.read_head
      # The only instance is free once httpd has the whole answer.
      assert_equal "200", client.get("/hello").code
      while (piece = raw.read_chunk)
        size += piece.bytesize
      end
    end
    assert_equal wanted, size
  ensure
    raw&.close
  end
end
