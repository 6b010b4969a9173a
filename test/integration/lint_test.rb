# frozen_string_literal: true

require_relative "support/integration_test"

# Requests of many kinds to an application in the Rack::Lint of Debian's Rack. Lint raises if a
# server violates the specification: the answer is then 500, and the log has Lint's message.
class LintTest < IntegrationTest
  APPLICATION = <<~'RUBY'
    require "rack"
    require "uri" # Lint 2.2 uses it, and does not ask for it

    RACK_3 = Rack.release.to_i >= 3
    TEXT = { "content-type" => "text/plain" }.freeze
    COOKIES = RACK_3 ? %w[a=1 b=2] : "a=1\nb=2"

    inner = lambda do |env|
      input = env["rack.input"]
      # Lint of Rack 3 hides a server's `rewind` from the application.
      input = Rack::RewindableInput.new(input) if RACK_3
      case env["PATH_INFO"]
      when "/hello" then [200, TEXT.merge("content-length" => "6"), ["hello\n"]]
      when "/pieces"
        [200, TEXT.dup, Enumerator.new { |y| 3.times { |n| y << "piece #{n}\n" } }]
      when "/file"
        files = Rack::Files.new(__dir__)
        [200, TEXT.dup, files.call(env.merge("PATH_INFO" => "/config.ru")).last]
      when "/echo"
        whole = input.read.to_s
        input.rewind
        again = +""
        while (piece = input.read(1000))
          again << piece
        end
        input.rewind
        lines = 0
        input.each { lines += 1 }
        input.rewind
        first = input.gets
        [200, TEXT.dup, ["#{whole.bytesize} #{whole == again} #{lines} #{first.to_s.bytesize}"]]
      when "/cookies" then [200, TEXT.merge("set-cookie" => COOKIES), ["cookies"]]
      when "/nothing" then [204, {}, []]
      when "/unchanged" then [304, {}, []]
      when "/errors" then env["rack.errors"].puts("noted") || [200, TEXT.dup, ["noted"]]
      when "/full"
        taken = env["rack.hijack"].call
        io = RACK_3 ? taken : env["rack.hijack_io"]
        io.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull")
        io.close
        [200, TEXT.dup, []]
      when "/partial"
        [200, TEXT.merge("rack.hijack" => ->(io) { io.write("partial") && io.close }), []]
      else [404, TEXT.dup, ["#{env['SCRIPT_NAME']}#{env['PATH_INFO']}"]]
      end
    end

    run Rack::Lint.new(inner)
  RUBY

  serve do |made|
    made.site("lint.test", SampleApps.written(APPLICATION), "PassengerThreadCount 2\n")
  end

  def setup
    @raw = server.raw
  end

  def teardown
    @raw.close
    assert_equal [], server.log.text.scan(/LintError" message=.*/)
  end

  def test_bodies_of_each_kind_arrive
    assert_equal "hello\n", client.get("/hello").body
    assert_equal "piece 0\npiece 1\npiece 2\n", client.get("/pieces").body
    assert_equal APPLICATION, client.get("/file").body
  end

  def test_answers_without_a_body_are_allowed
    assert_equal(%w[204 304], %w[/nothing /unchanged].map { |path| client.get(path).code })
    %w[/hello /pieces /file /echo].each { |path| assert_equal "200", client.head(path).code, path }
  end

  def test_several_headers_of_one_name_stay_apart
    assert_equal %w[a=1 b=2], @raw.get("/cookies").all("Set-Cookie")
  end

  def test_inputs_are_read_twice_whatever_their_size
    [0, 1, 100, 4_000, 70_000, 300_000].each do |size|
      body = Array.new(size) { |index| index % 50 == 49 ? "\n" : "x" }.join
      expected = "#{size} true #{body.lines.size} #{body.lines.first.to_s.bytesize}"
      assert_equal expected, client.post("/echo", body).body
      assert_equal expected, client.post_stream("/echo", StringIO.new(body)).body
    end
  end

  def test_a_get_has_an_empty_input
    assert_equal "0 true 0 0", client.get("/echo").body
  end

  def test_methods_and_targets
    %w[PUT DELETE OPTIONS PATCH PROPFIND].each do |method|
      assert_equal 404, @raw.request(method, "/other").response.status, method
    end
    ["/a%20b", "/%ff%fe", "/a?b=c&d=%00", "/a;b", "/"].each do |target|
      assert_equal 404, @raw.get(target).status, target
    end
    assert_equal 404, @raw.write("GET http://lint.test/absolute HTTP/1.1\r\nHost: lint.test\r\n" \
                                 "\r\n").response.status
  end

  def test_http_1_0_is_answered
    assert_equal 404, @raw.write("GET /old HTTP/1.0\r\nHost: lint.test\r\n\r\n").response.status
  end

  def test_headers_of_many_kinds_are_allowed
    headers = { "X-Empty" => "", "X-Odd" => "\xE4", "Cookie" => "a=1; b=2", "Accept-Charset" => "*",
                "Content-Type" => "text/x", "X-1" => "1" }
    assert_equal 200, @raw.get("/hello", headers).status
  end

  def test_errors_take_text
    assert_equal "noted", client.get("/errors").body
  end

  def test_both_ways_to_hijack
    assert_equal "full", @raw.get("/full").body
    assert_equal "partial", server.raw.get("/partial").body
  end

  def test_lint_finds_a_fault_that_is_planted
    site = SampleApps.written("require 'rack'\nrequire 'uri'\n" \
                              "run Rack::Lint.new(->(_) { [200, { 'content-type' => 5 }, []] })\n")
    with_server(HttpdConfiguration.new.tap { |made| made.site("wrong.test", site) }) do |other|
      assert_equal "500", other.client.get("/").code
      assert_match(/Rack::Lint::LintError/, other.log.wait_for(/request\.failed/))
    end
  end
end
