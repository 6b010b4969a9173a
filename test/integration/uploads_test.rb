# frozen_string_literal: true

require "zlib"
require_relative "support/integration_test"

# Request bodies of all sizes and framings.
class UploadsTest < IntegrationTest
  LARGE = 100 * 1024 * 1024
  # Bytes by which a process may grow while a large body passes through it.
  ALLOWANCE = 24 * 1024 * 1024

  serve do |made|
    made.main_directives << "LimitRequestFieldSize 200000\n"
    made.site("rack.test", SampleApps.rack)
    made.site("rails.test", SampleApps.rails, "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def test_bodies_around_every_limit_of_the_protocol_arrive_whole
    [0, 1, 1_000, 3_000, 3_584, 3_585, 8_192, 16_384, 65_535, 65_536, 65_537, 131_072,
     200_000].each do |size|
      assert_arrived size, client.post("/upload", Pattern.bytes(size))
    end
  end

  def test_small_bodies_of_requests_with_large_heads_arrive_whole
    [1_000, 3_000, 60_000, 64_000, 65_000, 66_000, 150_000].each do |head|
      [1, 1_000, 3_072].each do |size|
        assert_arrived size, client.post("/upload", Pattern.bytes(size),
                                         { "X-Large" => "x" * head })
      end
    end
  end

  def test_a_small_body_of_a_request_with_a_large_head_may_be_left_unread
    3.times do
      assert_equal "hello world\n",
                   client.post("/hello", Pattern.bytes(1_000), { "X-Large" => "x" * 65_000 }).body
    end
  end

  def test_a_hundred_megabytes_arrive_whole_in_bounded_memory
    client.get("/hello")
    response, growth = MemorySampler.new(server.tree).during do
      client.post_stream("/upload", Pattern::Reader.new(LARGE), length: LARGE)
    end
    assert_arrived LARGE, response
    too_much = growth.select { |_, bytes| bytes > ALLOWANCE }
    assert_empty too_much
  end

  def test_a_hundred_megabytes_reach_rails_whole
    reader = Pattern::Reader.new(LARGE)
    assert_arrived LARGE, client("rails.test").post_stream("/raw_upload", reader, length: LARGE)
  end

  def test_a_chunked_body_arrives_decoded
    [0, 1, 5_000, 1_000_000].each do |size|
      assert_arrived size, client.post_stream("/upload", Pattern::Reader.new(size))
    end
  end

  def test_a_chunked_body_in_tiny_pieces_arrives_decoded
    raw = server.raw
    raw.request("POST", "/body", { "Transfer-Encoding" => "chunked" })
    "hello chunked world".each_char { |character| raw.write("1\r\n#{character}\r\n") }
    raw.write("0\r\n\r\n")
    assert_equal "hello chunked world", raw.response.body
  ensure
    raw&.close
  end

  def test_a_body_that_arrives_slowly_arrives_whole
    raw = server.raw
    content = Pattern.bytes(40_000)
    raw.request("POST", "/upload", { "Content-Length" => content.bytesize.to_s })
    content.bytes.each_slice(4_000) do |slice|
      raw.write(slice.pack("C*"))
      sleep 0.01
    end
    assert_equal OpenSSL::Digest::SHA256.hexdigest(content), JSON.parse(raw.response.body)["sha256"]
  ensure
    raw&.close
  end

  def test_a_body_with_zero_bytes_and_line_ends_arrives_unchanged
    content = "\0\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n\xFF".b
    assert_equal content, client.post("/body", content).body.b
  end

  def test_a_body_that_httpd_decodes_arrives_whole
    deflate = File.join(TestEnvironment.modules_dir, "mod_deflate.so")
    skip "needs mod_deflate" unless File.exist?(deflate)
    made = configuration do |one|
      one.main_directives << "LoadModule deflate_module #{deflate}\n"
      one.site("rack.test", SampleApps.rack, "SetInputFilter DEFLATE\n")
    end
    with_server(made) do |own|
      [10, 100_000].each do |size|
        coded = Zlib.gzip(Pattern.bytes(size))
        assert_arrived size, own.client.post("/upload", coded, { "Content-Encoding" => "gzip" })
        assert_arrived size, own.client.post("/upload", Zlib.gzip(Pattern.bytes(size), level: 0),
                                             { "Content-Encoding" => "gzip" })
      end
    end
  end

  def test_an_application_may_answer_before_it_has_read_the_body
    response = client.post_stream("/hello", Pattern::Reader.new(5_000_000), length: 5_000_000)
    assert_equal "hello world\n", response.body
    assert_equal "hello world\n", client.get("/hello").body
  end

  private

  def assert_arrived(size, response)
    assert_status 200, response
    answer = JSON.parse(response.body)
    assert_equal [size, Pattern.digest(size)], answer.values_at("size", "sha256")
  end
end
