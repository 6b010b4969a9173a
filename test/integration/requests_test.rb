# frozen_string_literal: true

require_relative "support/integration_test"

# The requests of a browser to a Rails application.
class RequestsTest < IntegrationTest
  serve do |made|
    made.site("rails.test", SampleApps.rails, "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
    made.site("rack.test", SampleApps.rack)
    made.site("http.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
  end

  def test_get_answers_with_the_applications_page
    response = assert_status(200, client.get("/"))
    assert_match(/It works/, response.body)
    assert_equal "text/html; charset=utf-8", response["Content-Type"]
  end

  def test_a_page_lists_the_database
    body = assert_status(200, client.get("/posts")).body
    assert_equal 20, body.scan(/Post \d+</).size
    assert_match(/Post 7/, client.get("/posts/7").body)
  end

  def test_head_has_the_headers_of_get_and_no_body
    get = client.get("/plain")
    raw = server.raw
    head = raw.request("HEAD", "/plain").response(head: true)
    assert_equal 200, head.status
    assert_equal get["Content-Type"], head["Content-Type"]
    assert_equal get["ETag"], head["ETag"]
    # A client would take a body for the answer to its next request on this connection.
    assert_equal "Hello from Rails\n", raw.get("/plain").body
  ensure
    raw&.close
  end

  def test_a_form_with_its_token_and_a_file_arrives
    content = Pattern.bytes(300_000)
    page, cookie = form
    parts = [
      ["authenticity_token", page[/name="authenticity_token" value="([^"]+)"/, 1]],
      ["title", "Grüße"],
      ["file", StringIO.new(content),
       { filename: "pattern.bin", content_type: "application/octet-stream" }]
    ]
    response = assert_status(200, client.post_multipart("/uploads", parts, { "Cookie" => cookie }))
    answer = JSON.parse(response.body)
    assert_equal ["Grüße", "pattern.bin", 300_000, Digest::SHA256.hexdigest(content)],
                 answer.values_at("title", "name", "size", "sha256")
  end

  def test_a_form_without_its_token_is_refused_by_the_application
    assert_status 422, client.post_form("/uploads", { "title" => "forged" })
  end

  def test_a_url_encoded_form_reaches_the_application_as_sent
    response = client("rack.test").post_form("/body", { "a" => "1 & 2", "ü" => "ö" })
    assert_equal [%w[a 1\ &\ 2], %w[ü ö]], URI.decode_www_form(response.body)
  end

  def test_a_session_is_kept_over_requests
    cookie = nil
    counts = Array.new(3) do
      response = client.get("/counter", cookie ? { "Cookie" => cookie } : {})
      cookie = response["Set-Cookie"].split(";").first
      response.body
    end
    assert_equal %w[1 2 3], counts
  end

  def test_a_redirect_names_the_host_that_the_client_asked
    response = assert_status(302, client.get("/redirect"))
    assert_equal "http://rails.test:#{server.port}/", response["Location"]
  end

  def test_every_method_reaches_the_application
    %w[GET POST PUT PATCH DELETE OPTIONS PROPFIND].each do |method|
      raw = server.raw("rack.test")
      response = raw.request(method, "/env",
                             method == "GET" ? {} : { "Content-Length" => "0" }).response
      assert_equal [200, method], [response.status, JSON.parse(response.body)["REQUEST_METHOD"]]
      raw.close
    end
  end

  def test_methods_that_httpd_does_not_know_reach_the_application
    %w[PURGE FROB M-SEARCH].each do |method|
      raw = server.raw("rack.test")
      response = raw.request(method, "/env").response
      assert_equal [200, method], [response.status, JSON.parse(response.body)["REQUEST_METHOD"]]
      raw.close
      raw = server.raw("http.test")
      assert_match(%r{\A#{method} /head HTTP/1\.1\r\n}, raw.request(method, "/head").response.body)
      raw.close
    end
  end

  def test_httpd_serves_static_files_itself
    response = assert_status(200, client("rack.test").get("/static.txt"))
    assert_equal "a static file\n", response.body
    refute_nil response["Last-Modified"]
    assert_nil response["X-Powered-By"]
  end

  def test_an_exception_in_the_application_is_a_500_and_the_next_request_is_served
    assert_status 500, client.get("/raise")
    assert_status 200, client.get("/plain")
    assert_status 500, client("rack.test").get("/raise")
    assert_status 200, client("rack.test").get("/hello")
    server.log.wait_for(/raised on purpose/)
  end

  def test_several_requests_use_one_connection
    raw = server.raw("rack.test")
    20.times do |number|
      assert_equal "request=#{number}",
                   JSON.parse(raw.get("/env?request=#{number}").body)["QUERY_STRING"]
    end
  ensure
    raw&.close
  end

  def test_pipelined_requests_are_answered_in_order
    raw = server.raw("rack.test")
    5.times { |number| raw.request("GET", "/env?request=#{number}") }
    answers = Array.new(5) { JSON.parse(raw.response.body)["QUERY_STRING"] }
    assert_equal Array.new(5) { |number| "request=#{number}" }, answers
  ensure
    raw&.close
  end

  def test_a_body_that_the_application_did_not_read_does_not_disturb_the_next_request
    raw = server.raw("rack.test")
    raw.request("POST", "/hello", { "Content-Length" => "300000" }).write("x" * 300_000)
    assert_equal "hello world\n", raw.response.body
    assert_equal "hello world\n", raw.get("/hello").body
  ensure
    raw&.close
  end

  def test_a_client_that_speaks_http_1_0_gets_an_unchunked_answer
    raw = server.raw("rack.test")
    raw.write("GET /no_length HTTP/1.0\r\nHost: rack.test\r\n\r\n")
    response = raw.response
    assert_equal [200, "onetwothree", nil],
                 [response.status, response.body, response["Transfer-Encoding"]]
  ensure
    raw&.close
  end

  def test_expect_continue_is_answered_before_the_body_is_sent
    raw = server.raw("rack.test")
    raw.request("POST", "/upload", { "Content-Length" => "5", "Expect" => "100-continue" })
    assert_equal 100, raw.read_head.status
    raw.write("hello")
    assert_equal 5, JSON.parse(raw.response.body)["size"]
  ensure
    raw&.close
  end

  private

  def form
    response = client.get("/uploads/new")
    [response.body, response["Set-Cookie"].split(";").first]
  end
end
