# frozen_string_literal: true

require_relative "support/integration_test"

# Heads and bodies of answers, as a client's socket receives them.
class ResponsesTest < IntegrationTest
  serve { |made| made.site("rack.test", SampleApps.rack) }

  WITHOUT_BODY = [204, 304].freeze
  WITH_BODY = [200, 201, 202, 203, 206, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405,
               406, 408, 409, 410,
               411, 412, 413, 414, 415, 416, 417, 418, 422, 426, 428, 429, 431, 451, 500, 501, 502,
               503, 504, 599].freeze

  def setup
    @raw = server.raw
  end

  def teardown
    @raw.close
  end

  def test_statuses_with_a_body_arrive_with_it
    WITH_BODY.each do |status|
      raw = server.raw
      response = raw.get("/status/#{status}")
      assert_equal [status, "status #{status}\n"], [response.status, response.body]
      raw.close
    end
  end

  def test_statuses_without_a_body_arrive_without_and_keep_the_connection
    WITHOUT_BODY.each do |status|
      response = @raw.get("/status/#{status}")
      assert_equal status, response.status
      assert_nil response["Transfer-Encoding"]
      assert_includes [nil, "0"], response["Content-Length"]
      assert_equal "hello world\n", @raw.get("/hello").body
    end
  end

  def test_a_header_may_have_an_empty_value
    response = @raw.get("/echo")
    assert_equal [200, ""], [response.status, response["X-Nonce"]]
  end

  def test_a_body_that_the_status_forbids_is_dropped
    WITHOUT_BODY.each do |status|
      assert_equal status, @raw.get("/status/#{status}?body=yes").status
      assert_equal "hello world\n", @raw.get("/hello").body
    end
  end

  def test_a_head_request_whose_application_sends_a_body_gets_none
    assert_equal 200, @raw.request("HEAD", "/download?bytes=300000").response(head: true).status
    assert_equal "hello world\n", @raw.get("/hello").body
  end

  def test_a_body_without_a_length_is_chunked
    response = @raw.get("/download?bytes=1000000&length=no")
    assert_equal Pattern.bytes(1_000_000), response.body
    assert_equal "chunked", response["Transfer-Encoding"]
    assert_nil response["Content-Length"]
  end

  def test_a_short_body_without_a_length_arrives_whole
    # httpd may see the body's end before it sends the head, and then send the length.
    assert_equal "onetwothree", @raw.get("/no_length").body
    assert_equal "hello world\n", @raw.get("/hello").body
  end

  def test_an_array_without_a_length_arrives_whole
    assert_equal "onetwothree", @raw.get("/array").body
    assert_equal "hello world\n", @raw.get("/hello").body
  end

  def test_a_body_with_a_length_is_not_chunked
    response = @raw.get("/hello")
    assert_equal "12", response["Content-Length"]
    assert_nil response["Transfer-Encoding"]
  end

  def test_an_application_can_close_the_connection
    response = @raw.get("/headers?connection=close")
    assert_equal [200, "close"], [response.status, response["Connection"]]
    assert @raw.ended?
  end

  def test_a_client_can_close_the_connection
    response = @raw.get("/hello", "Connection" => "close")
    assert_equal ["close", "hello world\n"], [response["Connection"], response.body]
    assert @raw.ended?
  end

  def test_head_of_a_body_without_a_length_leaves_the_connection_in_order
    assert_equal 200, @raw.request("HEAD", "/no_length").response(head: true).status
    assert_equal "hello world\n", @raw.get("/hello").body
  end

  def test_a_body_that_the_application_has_chunked_itself_is_decoded
    response = @raw.get("/own_chunks")
    assert_equal "hello", response.body
  end

  def test_duplicate_headers_stay_apart_and_in_order
    response = @raw.get("/headers")
    assert_equal %w[one two three],
                 response.all("X-Multiple").flat_map { |value| value.split(/,\s*/) }
    assert_equal ["a=1; path=/", "b=2; path=/"], response.all("Set-Cookie")
  end

  def test_twenty_kilobytes_of_headers_arrive_whole
    response = @raw.get("/headers?bytes=20000")
    sizes = response.headers.select { |name, _| name.start_with?("X-Filler-") }
      .map { |_, value| value.bytesize }
    assert_equal [1_000] * 20, sizes
  end

  def test_a_hundred_kilobytes_of_headers_arrive_whole
    response = @raw.get("/headers?bytes=100000")
    assert_equal 100, response.headers.count { |name, _| name.start_with?("X-Filler-") }
    assert_equal "headers\n", response.body
  end

  def test_pieces_arrive_while_the_application_still_works
    path = fifo
    head = @raw.request("GET", "/stream?fifo=#{path}&pieces=3").read_head
    assert_equal [200, "chunked"], [head.status, head["Transfer-Encoding"]]
    3.times do |number|
      release(path)
      assert_equal "piece #{number}\n", @raw.read_chunk
    end
    assert_nil @raw.read_chunk
  end

  def test_an_answer_broken_off_by_an_exception_does_not_look_whole
    assert_broken { |raw| raw.get("/raise_midway?bytes=100000") }
    assert_equal "hello world\n", @raw.get("/hello").body
  end

  def test_an_answer_broken_off_by_a_death_does_not_look_whole
    assert_broken { |raw| raw.get("/die_midway?bytes=100000&length=no") }
    assert_broken { |raw| raw.get("/die_midway?bytes=100000") }
    eventually { server.client.get("/hello").code == "200" }
  end

  def test_a_broken_off_answer_on_a_closing_connection_does_not_look_whole
    [["HTTP/1.1", "&connection=close", ""], ["HTTP/1.1", "", "Connection: close\r\n"],
     ["HTTP/1.0", "", ""]].each do |version, query, header|
      raw = server.raw.write("GET /die_midway?bytes=100000&length=no#{query} #{version}\r\n" \
                             "Host: rack.test\r\n#{header}\r\n")
      assert_raises(EOFError, Errno::ECONNRESET) { raw.response }
      raw.close
      eventually { server.client.get("/hello").code == "200" }
    end
  end

  def test_an_answer_that_closes_the_connection_arrives_whole_in_any_version
    ["HTTP/1.1", "HTTP/1.0"].each do |version|
      raw = server.raw.write("GET /download?bytes=300000&length=no #{version}\r\n" \
                             "Host: rack.test\r\nConnection: close\r\n\r\n")
      assert_equal 300_000, raw.response.body.bytesize
      raw.close
    end
  end

  def test_the_product_is_named_in_a_header
    assert_match(/passenger/i, @raw.get("/hello")["X-Powered-By"])
  end

  def test_the_status_is_in_a_header_too
    assert_match(/\A404/, @raw.get("/status/404")["Status"])
  end

  private

  # Accepts a connection that ends within the body, or an error status if httpd had sent nothing
  # yet.
  def assert_broken
    raw = server.raw
    response = yield raw
    assert_operator response.status, :>=, 500
  rescue EOFError, Errno::ECONNRESET, ArgumentError
    assert true
  ensure
    raw.close
  end
end
