# frozen_string_literal: true

require "json"
require_relative "support/integration_test"

# Requests that two servers in a row may read in two ways, and headers that look like another's.
# httpd builds the application's request from what it has read itself; that has one meaning only.
class SmugglingTest < IntegrationTest
  SEES = <<~RUBY
    require "json"
    run proc { |env|
      seen = env.select { |_, value| value.is_a?(String) }
      seen["body"] = env["rack.input"].read
      [200, { "Content-Type" => "application/json", "X-Seen" => "yes" }, [JSON.generate(seen)]]
    }
  RUBY

  # The same for an application that speaks HTTP, and takes the first header of a name.
  READS = <<~'RUBY'
    require "json"
    require "socket"

    def chunks(socket)
      body = +""
      until (size = Integer(socket.gets, 16)).zero?
        body << socket.read(size)
        socket.gets
      end
      socket.gets
      body
    end

    def answer(socket)
      target = (socket.gets || return).split[1]
      names = Hash.new { |seen, name| seen[name] = [] }
      while (line = socket.gets) != "\r\n"
        name, value = line.delete_suffix("\r\n").split(": ", 2)
        names[name] << value
      end
      length, coding = names["Content-Length"], names["Transfer-Encoding"]
      body = coding == ["chunked"] ? chunks(socket) : socket.read(Integer(length.first || "0", 10))
      seen = { "PATH_INFO" => target, "HTTP_X" => names["X"].join, "body" => body }
      seen["CONTENT_LENGTH"] = length.join(", ") unless length.empty?
      seen["HTTP_TRANSFER_ENCODING"] = coding.join(", ") unless coding.empty?
      text = JSON.generate(seen)
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: #{text.bytesize}\r\n\r\n#{text}")
    end

    server = TCPServer.new("127.0.0.1", Integer(ENV.fetch("PORT")))
    loop { Thread.new(server.accept) { |socket| nil while answer(socket) } }
  RUBY

  # Another server; httpd passes requests to it that are for no application.
  def self.backend
    @backend ||= TCPServer.new("127.0.0.1", 0)
  end

  serve do |made|
    made.site("app.test", SampleApps.written(SEES),
              "SetEnv SERVER_NAME forged\nSetEnv PATH_INFO /forged\n" \
                                                    "SetEnv HTTP_X_REAL forged\n" \
                                                    "SetEnv CONTENT_LENGTH 7\n")
    made.site("asked.test", SampleApps.written(SEES), <<~CONF)
      RequestHeader set X-Sendfile-Type X-Sendfile
      RequestHeader append X-Accel-Mapping /srv/=/files/
    CONF
    made.site("added.test", SampleApps.written(SEES), <<~CONF)
      RequestHeader append X-Accel-Mapping /srv/=/files/
      RequestHeader merge X-Accel-Redirect merged
      RequestHeader add X-Sendfile-Type X-Sendfile
      RequestHeader setifempty X-Accel-Expires 7
      RequestHeader edit X-Accel-Buffering n y
      RequestHeader edit X-Accel-Charset a forged
    CONF
    made.main_directives << %w[proxy proxy_http].map do |name|
      "LoadModule #{name}_module \"#{TestEnvironment.modules_dir}/mod_#{name}.so\"\n"
    end.join
    made.site("proxied.test", SampleApps.written(SEES), <<~CONF)
      RequestHeader append X-Accel-Mapping /srv/=/files/
      ProxyPass / http://127.0.0.1:#{backend.addr[1]}/
    CONF
    made.site("streamed.test", SampleApps.written(SEES), "PassengerBufferUpload off\n")
    made.site("merged.test", SampleApps.written(SEES),
              "MergeTrailers on\nRequestHeader set X-Sendfile-Type X-Sendfile\n")
    # Over one connection, so that what is left of a request would begin the next one.
    command = "PassengerAppStartCommand \"#{RbConfig.ruby} reads.rb\"\n" \
              "PassengerForceMaxConcurrentRequestsPerProcess 1\n"
    made.site("http.test", SampleApps.written(READS, "reads.rb"), command)
    made.site("http_streamed.test", SampleApps.written(READS, "reads.rb"),
              "#{command}PassengerBufferUpload off\n")
    made.tls_port = UnusedPort.find
    made.site("asking.test", SampleApps.written(SEES), "SSLOptions +StdEnvVars\n", tls: true)
    made.site("quiet.test", SampleApps.written(SEES), "", tls: true)
  end

  SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n"

  # Name, header lines, bytes after the head.
  AMBIGUOUS = {
    "a length and chunks" => ["Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
                              "0\r\n\r\n#{SMUGGLED}"],
    "chunks and a length" => ["Transfer-Encoding: chunked\r\nContent-Length: 50\r\n",
                              "0\r\n\r\n#{SMUGGLED}"],
    "two lengths" => ["Content-Length: 0\r\nContent-Length: #{SMUGGLED.size}\r\n", SMUGGLED],
    "a list of lengths" => ["Content-Length: 0, #{SMUGGLED.size}\r\n", SMUGGLED],
    "a signed length" => ["Content-Length: +5\r\n", "abcde#{SMUGGLED}"],
    "a negative length" => ["Content-Length: -1\r\n", SMUGGLED],
    "a hexadecimal length" => ["Content-Length: 0x5\r\n", "abcde#{SMUGGLED}"],
    "a length with a blank inside" => ["Content-Length: 1 0\r\n", SMUGGLED],
    "a length beyond all numbers" => ["Content-Length: 99999999999999999999\r\n", SMUGGLED],
    "an unknown coding" => ["Transfer-Encoding: xchunked\r\n", "0\r\n\r\n#{SMUGGLED}"],
    "two codings" => ["Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
                      "0\r\n\r\n#{SMUGGLED}"],
    "chunked before another coding" => ["Transfer-Encoding: chunked, identity\r\n",
                                        "0\r\n\r\n#{SMUGGLED}"],
    "a coding with a tab" => ["Transfer-Encoding:\tchunked\r\nContent-Length: 3\r\n",
                              "0\r\n\r\n#{SMUGGLED}"],
    "a coding under a folded line" =>
      ["X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"],
    "a blank before the colon" => ["Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
                                   "0\r\n\r\n"],
    "an underscore for a dash" =>
      ["Transfer_Encoding: chunked\r\nContent_Length: 50\r\nContent-Length: 5\r\n", "0\r\n\r\n"],
    "a bare line feed" => ["X: y\nContent-Length: 5\r\n", "0\r\n\r\n"],
    "a carriage return alone" => ["X: y\rContent-Length: 50\r\n", ""],
    "a NUL in a value" => ["X: y\0z\r\n", ""],
    "a folded value" => ["X: y\r\n z\r\n", ""]
  }.freeze

  AMBIGUOUS.each do |what, (lines, rest)|
    %w[app.test streamed.test http.test http_streamed.test].each do |site|
      define_method("test_#{what.tr(' ', '_')}_means_one_thing_at_#{site.tr('.', '_')}") do
        assert_one_meaning(lines, rest, site)
      end
    end
  end

  def test_odd_chunks_are_refused
    ["-1\r\n", "0x3\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n", "3 x\r\nabc\r\n0\r\n\r\n",
     "3\nabc\n0\n\n",
     "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n",
     "\r\n0\r\n\r\n"].each do |chunks|
      answers = all_answers("Transfer-Encoding: chunked\r\n", "#{chunks}#{SMUGGLED}", "app.test")
      statuses = answers.map(&:first)
      assert([400, 413].include?(statuses.first) || statuses == [200, 200] || statuses == [200],
             "#{chunks.inspect}: #{statuses}")
      next unless statuses.first == 200

      assert_equal "abc", JSON.parse(answers.first.last)["body"], chunks.inspect
    end
  end

  def test_odd_chunks_reach_no_application_that_speaks_http
    %w[http.test http_streamed.test].each do |site|
      ["-1\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "3 x\r\nabc\r\n0\r\n\r\n",
       "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n"].each do |chunks|
        status, body = all_answers("Transfer-Encoding: chunked\r\n", "#{chunks}#{SMUGGLED}",
                                   site).first
        assert([400, 413].include?(status) || (status == 200 && JSON.parse(body)["body"] == "abc"),
               "#{site} #{chunks.inspect}: #{status}")
      end
    end
  end

  def test_header_names_that_could_be_taken_for_others_do_not_reach_the_application
    raw = server.raw("app.test")
    raw.write("GET /x HTTP/1.1\r\nHost: app.test\r\nX-Real: real\r\nX_Real: forged\r\n" \
              "x_real: forged\r\nX.Real: forged\r\n" \
              "X!Real: forged\r\nX~Real: forged\r\nProxy: http://evil\r\npRoXy: evil\r\n" \
              "Content_Length: 9\r\nHost_: evil\r\n" \
              "HTTP_HOST: evil\r\nREMOTE_USER: evil\r\nRemote-User: mine\r\nHTTPS: on\r\n" \
              "rack.input: evil\r\n" \
              "X-Sendfile-Type: X-Accel-Redirect\r\nX-Accel-Mapping: /=/\r\n" \
              "x-accel-buffering: no\r\n\r\n")
    seen = JSON.parse(raw.response.body)
    assert_equal ["real", "app.test", "mine", "on"],
                 seen.values_at("HTTP_X_REAL", "HTTP_HOST", "HTTP_REMOTE_USER", "HTTP_HTTPS")
    forged = /SENDFILE|ACCEL|HTTP_PROXY|CONTENT_LENGTH|HTTP_HTTP_|HTTP_HOST_|\AHTTPS|
              \AREMOTE_USER|[!~.]REAL|rack\.input/ix
    assert_empty seen.keys.grep(forged)
    refute_includes seen.values, "forged"
  ensure
    raw&.close
  end

  def test_the_servers_own_headers_cannot_be_set_by_configuration
    seen = client("app.test").json("/x")
    assert_equal ["app.test", "/x", nil],
                 seen.values_at("SERVER_NAME", "PATH_INFO", "CONTENT_LENGTH")
  end

  # httpd merges them only after the hooks have seen the head.
  def test_trailer_fields_are_no_sendfile_headers_of_the_administrator
    raw = server.raw("merged.test")
    raw.write("POST /x HTTP/1.1\r\nHost: merged.test\r\nTransfer-Encoding: chunked\r\n\r\n" \
              "5\r\nhello\r\n0\r\nX-Other: merged\r\nX-Sendfile-Type: X-Accel-Redirect\r\n" \
              "X-Accel-Mapping: /=/\r\n\r\n")
    seen = JSON.parse(raw.response.body)
    assert_equal ["merged", "X-Sendfile", nil],
                 seen.values_at("HTTP_X_OTHER", "HTTP_X_SENDFILE_TYPE", "HTTP_X_ACCEL_MAPPING")
  ensure
    raw&.close
  end

  def test_an_administrator_may_ask_for_x_sendfile
    seen = client("asked.test").json("/x", "X-Sendfile-Type" => "X-Accel-Redirect")
    assert_equal ["X-Sendfile", "/srv/=/files/"],
                 seen.values_at("HTTP_X_SENDFILE_TYPE", "HTTP_X_ACCEL_MAPPING")
  end

  def test_the_application_gets_sendfile_headers_from_the_administrator_only
    forged = { "X-Accel-Mapping" => "/=/", "X-Accel-Redirect" => "/etc",
               "X-Sendfile-Type" => "X-Accel-Redirect", "X-Accel-Expires" => "1",
               "X-Accel-Buffering" => "no", "X-Accel-Charset" => "a" }
    [{}, forged].each do |headers|
      seen = client("added.test").json("/x", headers)
      assert_equal({ "HTTP_X_ACCEL_MAPPING" => "/srv/=/files/", "HTTP_X_ACCEL_REDIRECT" => "merged",
                     "HTTP_X_SENDFILE_TYPE" => "X-Sendfile",
                     "HTTP_X_ACCEL_EXPIRES" => "7" }, seen.select { |name,
                     _| name.match?(/SENDFILE|ACCEL/) })
    end
  end

  def test_requests_to_other_handlers_keep_sendfile_headers
    asked = Thread.new { client("proxied.test").get("/x", "X-Accel-Mapping" => "/=/") }
    connection = self.class.backend.accept
    head = connection.gets("\r\n\r\n")
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.close
    assert_status 200, asked.value
    assert_match(%r{^X-Accel-Mapping: /=/, /srv/=/files/\r$}, head)
  end

  def test_variables_of_mod_ssl_are_passed_on_if_configured
    unless File.exist?(File.join(TestEnvironment.modules_dir, "mod_ssl.so"))
      skip "httpd has no mod_ssl"
    end
    asked = server.client("asking.test", tls: true)
                  .json("/x", "SSL-Protocol" => "forged", "SSL_CLIENT_VERIFY" => "SUCCESS")
    assert_match(/\ATLSv1/, asked["SSL_PROTOCOL"])
    assert_equal %w[NONE on], asked.values_at("SSL_CLIENT_VERIFY", "HTTPS")
    quiet = server.client("quiet.test", tls: true).json("/x", "SSL_CLIENT_VERIFY" => "SUCCESS")
    assert_equal [nil, nil, "on"], quiet.values_at("SSL_PROTOCOL", "SSL_CLIENT_VERIFY", "HTTPS")
  end

  private

  # The requests are refused, or have one meaning: the length is the body's, and no other request is
  # in the body.
  def assert_one_meaning(lines, rest, site)
    answers = all_answers(lines, rest, site)
    status, body = answers.first
    return assert_includes([400, 411, 413, 501], status) unless status == 200

    seen = JSON.parse(body)
    assert_equal seen["body"].bytesize.to_s, seen["CONTENT_LENGTH"] if seen["CONTENT_LENGTH"]
    refute_includes seen["body"], "smuggled"
    refute_includes seen.fetch("HTTP_X", ""), "\n"
    refute(seen["CONTENT_LENGTH"] && seen["HTTP_TRANSFER_ENCODING"])
    # Bytes behind it are the client's own next request, or nothing.
    answers.drop(1).each do |code, text|
      assert_equal [200, "/smuggled"], [code, JSON.parse(text)["PATH_INFO"]]
    end
  end

  # [status, body] of all answers until the connection ends. The application runs before: a client
  # that has closed its side counts as gone after a second, and a start may take longer.
  def all_answers(lines, rest, site)
    server.client(site).get("/")
    eventually("an answer") do
      began = monotonic
      answers = exchange(lines, rest, site)
      answers if answers.any? || monotonic - began < 1
    end
  end

  def exchange(lines, rest, site)
    raw = server.raw(site)
    raw.write("POST /first HTTP/1.1\r\nHost: #{site}\r\n#{lines}\r\n#{rest}")
    raw.close_write
    answers = []
    loop do
      response = raw.response
      answers << [response.status, response.body]
    rescue EOFError, Errno::ECONNRESET
      break
    end
    answers
  ensure
    raw&.close
  end
end
