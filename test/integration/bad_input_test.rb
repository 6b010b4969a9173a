# frozen_string_literal: true

require_relative "support/integration_test"

# Malformed input from clients, applications and administrators. It gets a clear status and one line
# in the log with application and reason; nothing else is affected.
class BadInputTest < IntegrationTest
  serve do |made|
    made.main_directives << <<~CONF
      LimitRequestLine 2000000
      LimitRequestFieldSize 2000000
      LimitRequestFields 0
    CONF
    # With one instance, its pid shows whether it was replaced.
    made.site("rack.test", SampleApps.rack, "PassengerMaxInstances 1\n")
    made.site("missing.test", "/nonexistent/app", "PassengerAppRoot /nonexistent/app\n",
              document_root: File.join(SampleApps.rack, "public"))
    closed = SampleApps.rack
    made.site("closed.test", closed, "PassengerAppRoot #{closed}\n",
              document_root: File.join(SampleApps.rack, "public"))
    File.chmod(0o000, closed)
    File.chown(0, 0, closed) if TestEnvironment.root?
  end

  BAD_HEADS = %w[name colon control return status low high other].freeze

  def setup
    @pid = client.pid
    @position = server.log.position
  end

  def teardown
    assert_equal "hello world\n", client.get("/hello").body, "the next request is served"
  end

  def assert_logged(root, pattern)
    line =
      server.log.wait_for(/#{Regexp.escape(root)}.*#{pattern}|#{pattern}.*#{Regexp.escape(root)}/,
                          from: @position)
    assert line
  end

  def root
    server.configuration.sites.first.root
  end

  def test_a_request_head_over_one_megabyte_is_refused
    response = server.raw.request("GET", "/env", { "X-Huge" => "x" * 1_200_000 }).response
    assert_status [400, 413, 414, 431], response
    assert_logged root, "(head|header|environment|large|long|limit)"
    assert_equal @pid, client.pid
  end

  def test_a_request_head_just_below_one_megabyte_is_served
    response = server.raw.request("GET", "/hello", { "X-Large" => "x" * 900_000 }).response
    assert_equal [200, "hello world\n"], [response.status, response.body]
  end

  def test_a_request_head_that_httpd_refuses_does_not_reach_the_application
    response = server.raw.request("GET", "/hello", { "X-Larger" => "x" * 3_000_000 }).response
    assert_equal 400, response.status
  rescue Errno::EPIPE, Errno::ECONNRESET
    assert true
  end

  def test_a_response_head_over_128_kilobytes_is_refused
    assert_status [500, 502], client.get("/bad_head?kind=huge")
    assert_logged root, "(head|header|large|long|limit)"
  end

  BAD_HEADS.each do |kind|
    define_method("test_a_malformed_response_head_is_refused_when_it_is_bad_in_#{kind}") do
      response = assert_status([500, 502], client.get("/bad_head?kind=#{kind}"))
      assert_nil response["X-Injected"]
      assert_logged root, "(head|header|status|response|malformed|invalid)"
    end
  end

  def test_a_chunk_length_that_is_no_number_is_a_bad_request
    raw = server.raw.request("POST", "/upload", { "Transfer-Encoding" => "chunked" })
    raw.write("zz\r\nhello\r\n0\r\n\r\n")
    assert_equal 400, raw.response.status
    assert_logged root, "body cannot be read"
  ensure
    raw&.close
  end

  def test_a_later_chunk_length_that_is_no_number_ends_the_request
    raw = server.raw.request("POST", "/upload", { "Transfer-Encoding" => "chunked" })
    raw.write("#{200_000.to_s(16)}\r\n#{'x' * 200_000}\r\n-5\r\nhello\r\n")
    assert_includes 400..499, raw.response.status
    assert_logged root, "body cannot be read"
  ensure
    raw&.close
  end

  def test_a_chunk_length_of_the_application_that_is_no_number_does_not_pass
    raw = server.raw.request("GET", "/bad_chunk")
    answer = raw.response
    assert_includes [500, 502], answer.status
  rescue EOFError, Errno::ECONNRESET, ArgumentError
    assert true, "broken off, so the answer does not look whole"
  ensure
    raw&.close
    assert_logged root, "(chunk|broke|malformed)"
  end

  def test_a_body_that_ends_early_does_not_hang
    raw = server.raw.request("POST", "/upload", { "Content-Length" => "100000" })
    raw.write("x" * 50_000).close_write
    begin
      assert_operator raw.response.status, :>=, 400
    rescue EOFError, Errno::ECONNRESET
      assert true
    end
    assert_logged root, "the client left"
  ensure
    raw&.close
  end

  def test_an_instance_that_closes_in_the_middle_of_its_answer_does_not_hang
    raw = server.raw.request("GET", "/die_midway?bytes=200000")
    assert raw.ended?, "the connection was ended"
    assert_logged root, "the instance died"
    assert_logged root, "signal=9"
  ensure
    raw&.close
  end

  def test_an_application_root_that_does_not_exist_is_named
    response = client("missing.test").get("/page")
    assert_status 500, response
    assert_logged "/nonexistent/app", "No such file"
  end

  def test_an_application_root_that_may_not_be_read_is_named
    closed = server.configuration.sites.find { |site| site.name == "closed.test" }.root
    response = client("closed.test").get("/page")
    assert_status [403, 404, 500, 503], response
    assert_logged closed, "(ermission|denied|readable|access)"
  end

  def test_negative_and_doubled_lengths_are_bad_requests
    [{ "Content-Length" => "-5" }, { "Content-Length" => "5, 6" },
     { "Content-Length" => "99999999999999999999" }].each do |bad|
      raw = server.raw.request("POST", "/upload", bad)
      assert_includes [400, 413], raw.response.status
      raw.close
    end
  end

  def test_nonsense_instead_of_a_request_is_a_bad_request
    raw = server.raw
    raw.write("\x16\x03\x01\x02\x00nonsense\r\n\r\n".b)
    assert_equal 400, raw.response.status
  ensure
    raw&.close
  end
end
