# frozen_string_literal: true

require_relative "support/integration_test"

# mod_ratelimit sleeps while it has a piece of an answer. The only instance is free meanwhile.
class RateLimitedTest < IntegrationTest
  # Bytes, far more than a reply channel holds: at 300 KiB a second it takes 20 seconds.
  SIZE = 6_000_000

  serve do |made|
    file = File.join(TestEnvironment.modules_dir, "mod_ratelimit.so")
    made.main_directives << "LoadModule ratelimit_module #{file}\nPassengerMaxPoolSize 1\n"
    filter = "SetOutputFilter RATE_LIMIT\nSetEnv rate-limit"
    rack = SampleApps.rack
    made.site("slow.test", rack, "#{filter} 300\n")
    made.site("fast.test", rack, "#{filter} 3000\n")
  end

  def test_a_rate_limited_answer_keeps_no_instance
    raw = server.raw("slow.test").request("GET", "/download?bytes=#{SIZE}")
    raw.read_head
    received = 0
    reader = Thread.new do
      SIZE.fdiv(1000).to_i.times { received += raw.read_bytes(1000).bytesize }
    end
    3.times { assert_equal "hello world\n", server.client("slow.test").get("/hello").body }
    assert_operator received, :<, SIZE / 2
  ensure
    reader&.kill&.join
    raw&.abort
  end

  def test_a_rate_limited_answer_arrives_whole
    [1_000, 65_521].each do |piece|
      raw = server.raw("fast.test").request("GET", "/download?bytes=#{SIZE}&piece=#{piece}")
      raw.read_head
      assert_equal Pattern.digest(SIZE), OpenSSL::Digest::SHA256.hexdigest(raw.read_bytes(SIZE))
    ensure
      raw&.close
    end
  end

  def test_rate_limited_pieces_arrive_while_the_application_pauses
    path = fifo
    raw = server.raw("slow.test").request("GET", "/stream?fifo=#{path}&pieces=3")
    raw.read_head
    3.times do |number|
      release(path)
      assert_equal "piece #{number}\n", raw.read_chunk
    end
  ensure
    raw&.close
  end
end
