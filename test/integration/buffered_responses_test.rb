# frozen_string_literal: true

require "open3"
require_relative "support/integration_test"

# PassengerBufferResponse: httpd has the whole answer before the client gets a byte.
class BufferedResponsesTest < IntegrationTest
  WATERMARK = 4_000_000

  serve do |made|
    made.set("PassengerResponseBufferHighWatermark", WATERMARK)
    made.main_directives << "KeepAliveTimeout 60\n"
    made.site("rack.test", SampleApps.rack, "PassengerBufferResponse on\n")
    made.site("events.test", SampleApps.written(<<~'RUBY'), "PassengerBufferResponse on\n")
      events = Enumerator.new { |event| loop { event << "data: tick\n\n"; sleep 0.1 } }
      run(proc { [200, { "Content-Type" => "text/event-stream" }, events] })
    RUBY
  end

  def setup
    @raw = server.raw
  end

  def teardown
    @raw.close
  end

  def test_answers_of_all_sizes_arrive_whole
    [0, 12, 50_000, 70_000, 200_000, 3_000_000, 30_000_000].each do |size|
      ["", "&length=no"].each do |length|
        response = @raw.get("/download?bytes=#{size}#{length}")
        assert_equal [200, Pattern.digest(size)],
                     [response.status, OpenSSL::Digest::SHA256.hexdigest(response.body)]
      end
    end
  end

  def test_answers_of_all_sizes_arrive_whole_over_http2
    http2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")
    skip "needs mod_http2" unless File.exist?(http2)
    made = configuration do |one|
      skip "mod_http2 does not do prefork" if one.mpm == "prefork"
      one.main_directives << "LoadModule http2_module #{http2}\nProtocols h2c http/1.1\n"
      one.site("rack.test", SampleApps.rack, "PassengerBufferResponse on\n")
    end
    with_server(made) do |own|
      [12, 70_000, 3_000_000].each do |size|
        body, = Open3.capture2("curl", "--silent", "--http2-prior-knowledge", "--max-time", "60",
                               "--header", "Host: rack.test",
                               "http://127.0.0.1:#{own.port}/download?bytes=#{size}", binmode: true)
        assert_equal Pattern.digest(size), OpenSSL::Digest::SHA256.hexdigest(body)
      end
    end
  end

  def test_an_event_stream_is_passed_on_as_it_comes
    raw = server.raw("events.test").request("GET", "/")
    assert_equal 200, raw.read_head.status
    assert_equal "data: tick\n\n", raw.read_chunk
  ensure
    raw&.close
  end

  def test_an_answer_without_a_length_gets_one
    response = @raw.get("/download?bytes=3000000&length=no")
    assert_equal ["3000000", nil], [response["Content-Length"], response["Transfer-Encoding"]]
  end

  def test_an_answer_that_is_broken_off_becomes_an_error_page
    %w[die_midway raise_midway].each do |way|
      [100_000, 3_000_000].each do |size|
        raw = server.raw
        response = raw.get("/#{way}?bytes=#{size}&length=no")
        assert_equal [502, false], [response.status, response.body.include?("xxx")]
        raw.close
      end
    end
    eventually { server.client.get("/hello").code == "200" }
  end

  def test_nothing_is_sent_while_the_application_pauses
    path = fifo
    @raw.request("GET", "/stream?fifo=#{path}&pieces=2")
    release(path)
    refute @raw.arrived?(0.5)
    release(path)
    assert_equal "piece 0\npiece 1\n", @raw.response.body
  end

  def test_an_answer_longer_than_the_watermark_is_streamed_from_there_on
    position = server.log.position
    response = @raw.get("/download?bytes=20000000&length=no")
    assert_equal [20_000_000, "chunked"], [response.body.bytesize, response["Transfer-Encoding"]]
    assert server.log.wait_for(/event=response\.streamed .*PassengerResponseBufferHighWatermark/,
                               from: position)
    raw = server.raw
    assert_raises(EOFError, Errno::ECONNRESET) { raw.get("/die_midway?bytes=20000000&length=no") }
    raw.close
  end

  def test_answers_without_a_body_arrive
    assert_equal 200, @raw.request("HEAD", "/download?bytes=300000").response(head: true).status
    assert_equal 204, @raw.get("/status/204").status
    assert_equal 304, @raw.get("/status/304").status
    assert_equal "hello world\n", @raw.get("/hello").body
  end
end
