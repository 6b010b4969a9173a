# frozen_string_literal: true

require_relative "support/integration_test"

# An ErrorDocument that is a page of the application, for an upload whose body the application
# has read. The page gets no body, and no header tells of one. The answer has the page's status.
class ErrorDocumentBodiesTest < IntegrationTest
  SIZE = 300_000
  # Reads the whole body of /missing, and a part of the body of /dies, after which the process ends.
  RACK = <<~'RUBY'
    run(lambda do |env|
      if env["PATH_INFO"] == "/dies"
        env["rack.input"].read(1)
        Process.kill(:KILL, Process.pid)
        sleep
      end
      size = env["rack.input"]&.read.to_s.bytesize
      told = env.slice("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
      text = "#{env["REQUEST_METHOD"]} #{env["PATH_INFO"]} #{size} #{told}"
      [env["PATH_INFO"] == "/missing" ? 404 : 200, { "Content-Type" => "text/plain" }, [text]]
    end)
  RUBY
  NODE = <<~'JS'
    require("http").createServer((request, response) => {
      let size = 0;
      request.on("data", (piece) => { size += piece.length; });
      request.on("end", () => {
        const { "content-length": length, "transfer-encoding": coding } = request.headers;
        response.statusCode = request.url === "/missing" ? 404 : 200;
        const told = JSON.stringify({ length, coding });
        response.end(`${request.method} ${request.url} ${size} ${told}`);
      });
    }).listen(3000);
  JS

  serve do |made|
    page = "PassengerErrorOverride on\nErrorDocument 404 /head\nErrorDocument 502 /head\n"
    rack = SampleApps.written(RACK)
    made.site("buffered.test", rack, page)
    page += "PassengerBufferUpload off\n"
    made.site("rack.test", rack, page)
    made.site("node.test", SampleApps.written(NODE, "app.js"), page)
    made.site("http.test", SampleApps.copy("http_app"),
              "#{page}PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
  end

  def test_the_page_of_a_rack_application_gets_no_body
    %w[rack.test buffered.test].each do |site|
      assert_pages(site) { |page| assert_equal "GET /head 0 {}", page, site }
    end
  end

  def test_the_page_of_a_node_application_gets_no_body
    skip "needs node" unless system("node", "--version", out: File::NULL, err: File::NULL)
    assert_pages("node.test") { |page| assert_equal "GET /head 0 {}", page }
  end

  def test_the_page_of_a_command_that_speaks_http_gets_no_body
    assert_pages("http.test") do |page|
      assert_match(%r{\AGET /head HTTP}, page)
      refute_match(/^(content-length|transfer-encoding|expect):/i, page)
    end
  end

  def test_the_page_for_an_upload_that_broke_off_in_the_middle_gets_no_body
    # An instance that dies before its first answer has not started.
    assert_status 200, client("rack.test").get("/")
    raw = server.raw("rack.test")
    raw.request("POST", "/dies", "Content-Length" => SIZE.to_s).write("x" * (SIZE / 2))
    response = assert_status(200, raw.response)
    assert_equal "GET /head 0 {}", response.body
    assert_equal "close", response["Connection"]
  ensure
    raw&.close
  end

  private

  # Yields the pages for an upload with a length and for a chunked one.
  def assert_pages(site)
    chunk = "#{SIZE.to_s(16)}\r\n#{'x' * SIZE}\r\n0\r\n\r\n"
    [["Content-Length", SIZE.to_s, "x" * SIZE],
     ["Transfer-Encoding", "chunked", chunk]].each do |name, value, body|
      raw = server.raw(site)
      response = raw.request("POST", "/missing", name => value).write(body).response
      yield assert_status(200, response).body
      # The connection goes on behind the body.
      assert_status 200, raw.get("/")
    ensure
      raw&.close
    end
  end
end
