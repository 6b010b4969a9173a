# frozen_string_literal: true

require "digest"
require "json"
require "zlib"
require_relative "support/integration_test"

# The environment of a WSGI application equals that of a Rack application in the same folder, and
# nothing of a client is added.
class WsgiEnvironmentTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  NODE = system("node --version >/dev/null 2>&1")
  RACK = <<~RUBY
    require "json"
    run proc { |env|
      seen = env.select { |_, value| value.is_a?(String) }
        .transform_values { |value| value.unpack("C*").pack("U*") }
      seen["scheme"] = seen.delete("rack.url_scheme")
      seen["body"] = env["rack.input"].read.unpack("C*").pack("U*")
      [200, { "Content-Type" => "application/json" }, [JSON.generate(seen)]]
    }
  RUBY
  WSGI = <<~'PYTHON'
    import json, os

    def application(environ, start_response):
        seen = {name: value for name, value in environ.items() if isinstance(value, str)}
        seen["scheme"] = seen.pop("wsgi.url_scheme")
        seen["body"] = environ["wsgi.input"].read().decode("latin-1")
        if environ["PATH_INFO"] == "/process":
            seen = dict(os.environ)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(seen).encode()]
  PYTHON
  # Answers with the request head that it has received.
  HEAD = <<~'RUBY'
    require "socket"
    server = TCPServer.new("127.0.0.1", Integer(ENV.fetch("PORT")))
    loop do
      socket = server.accept
      head = socket.gets("\r\n\r\n")
      answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
      socket.write("#{answer}Content-Length: #{head.bytesize}\r\n\r\n#{head}") if head
      socket.close
    end
  RUBY
  NODE_HEAD = <<~JAVASCRIPT
    const answer = (request, response) => response.end(JSON.stringify(request.rawHeaders));
    require("http").createServer(answer).listen(3000);
  JAVASCRIPT
  # HTTP_VERSION is Rack's own; for Rack, the other is a name like any.
  BY_NATURE = %w[HTTP_VERSION SCRIPT_URL wsgi.url_scheme].freeze
  # The hash of the password "secret".
  PASSWORD = "{SHA}#{[Digest::SHA1.digest('secret')].pack('m0')}"
  AUTHORIZED = { "Authorization" => "Basic #{['someone:secret'].pack('m0')}" }.freeze
  ASGI = <<~PYTHON
    async def application(scope, receive, send):
        users = [value for name, value in scope["headers"] if name == b"x-remote-user"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": repr(users).encode()})
  PYTHON
  # Second names of the sites.
  ADDRESSES = { "rack" => "2001:db8::1", "wsgi" => "2001:db8::2", "http" => "2001:db8::3",
                "node" => "2001:db8::4" }.freeze
  SETTINGS = <<~CONF
    SetEnv SAMPLE_SETTING "a value, with = and ümlauts"
    SetEnv REMOTE_PORT forged
    SetEnv wsgi.url_scheme forged
    SetEnvIf X-Colour (.+) COLOUR=$1
    SetEnvIf X-Ends-Tls (.+) HTTPS=$1
    RewriteEngine on
    RewriteRule ^/old/(.*)$ /new/$1 [PT,E=REWRITTEN:yes]
    PassengerTurbocaching off
    ErrorDocument 403 /missing
    <Location /forbidden>
      Require all denied
    </Location>
    <Location /private>
      AuthType Basic
      AuthName private
      AuthUserFile passwords
      Require valid-user
    </Location>
    <Location /inflated>
      SetInputFilter DEFLATE
    </Location>
  CONF

  def self.kind(name)
    "PassengerAppType #{name}\nPassengerAppGroupName #{name}\nPassengerPython #{PYTHON}\n" \
    "#{SETTINGS}"
  end

  def self.modules(*names)
    names.map { |name| "LoadModule #{name}_module " \
                       "\"#{TestEnvironment.modules_dir}/mod_#{name}.so\"\n" }.join
  end

  def self.folder
    @folder ||= SampleApps.written(RACK).tap do |made|
      File.write("#{made}/passenger_wsgi.py", WSGI)
      TestEnvironment.hand_over(made)
      File.write("#{made}-passwords", "someone:#{PASSWORD}\n")
      SampleApps.folders << "#{made}-passwords"
    end
  end

  def self.asgi
    SampleApps.new_folder.tap do |made|
      FileUtils.mkdir_p("#{made}/public")
      File.write("#{made}/passenger_asgi.py", ASGI)
    end
  end

  def self.above
    @above ||= SampleApps.new_folder.tap { |made| File.symlink("#{folder}/public", "#{made}/a b") }
  end

  serve do |made|
    made.tls_port = UnusedPort.find
    made.main_directives << modules("auth_basic", "authn_core", "authn_file", "authz_user",
                                    "deflate")
    made.main_directives << "LimitRequestLine 2000000\nLimitRequestFieldSize 2000000\n" \
                            "LimitRequestFields 0\n"
    %w[rack wsgi].each do |kind|
      directives = kind(kind).sub("passwords", "#{folder}-passwords")
      made.site("#{kind}.test", folder, "#{directives}ServerAlias #{ADDRESSES[kind]}\n")
      made.site("#{kind}-streamed.test", folder, "#{directives}PassengerBufferUpload off\n")
      made.site("#{kind}-secure.test", folder,
                "#{directives}SSLOptions +StdEnvVars +ExportCertData\n", tls: true)
      made.site("#{kind}-sub.test", folder, "#{directives}PassengerBaseURI \"/a b\"\n",
                document_root: above)
    end
    made.site("asgi.test", asgi,
              "#{SETTINGS.sub('passwords', "#{folder}-passwords")}PassengerPython #{PYTHON}\n" \
              "RequestHeader set X-Remote-User expr=%{REMOTE_USER}\n")
    made.site("http.test", SampleApps.written(HEAD, "head.rb"),
              "PassengerAppStartCommand \"exec #{RbConfig.ruby} head.rb\"\n#{SETTINGS}" \
              "ServerAlias #{ADDRESSES['http']}\n")
    made.site("node.test", SampleApps.written(NODE_HEAD, "app.js"),
              "#{SETTINGS}ServerAlias #{ADDRESSES['node']}\n")
  end

  def setup
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON) || name == LAST
  end

  def test_the_environment_is_that_of_a_rack_application
    assert_alike do |raw|
      raw.request("GET", "/x?a=b%20c", "X-Colour" => "blue", "Cookie" => "a=b", "Accept" => "*/*")
    end
    assert_alike { |raw| raw.request("GET", "/private/x", AUTHORIZED) }
    assert_alike { |raw| raw.request("GET", "/old/x?y") }
    assert_alike do |raw|
      raw.request("GET", "/", "X-Latin" => "gr\xFC\xDFe".b, "X-Empty" => "",
                  "Connection" => "close, Upgrade", "Upgrade" => "x", "TE" => "trailers")
    end
    assert_alike { |raw, host| raw.write("GET http://#{host}/x HTTP/1.0\r\n\r\n") }
    assert_alike do |raw, host|
      raw.write("GET /x HTTP/1.1\r\nHost: #{host}:4711\r\nX: 1\r\nX: 2\r\n" \
                "X-Forwarded-For: 192.0.2.1\r\n\r\n")
    end
  end

  def test_the_environment_has_all_variables_of_cgi
    seen, port = ask("wsgi") { |one| one.request("GET", "/private/x", AUTHORIZED) }
    assert_equal [port, "127.0.0.1", "someone", "Basic"],
                 seen.values_at("REMOTE_PORT", "REMOTE_ADDR", "REMOTE_USER", "AUTH_TYPE")
    assert_equal ["wsgi.test", server.port.to_s, "HTTP/1.1", "http", "CGI/1.1"],
                 seen.values_at("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REQUEST_SCHEME",
                                "GATEWAY_INTERFACE")
    assert_equal ["a value, with = and ümlauts".b.unpack("C*").pack("U*"), "http", nil],
                 seen.values_at("SAMPLE_SETTING", "scheme", "HTTPS")
    assert_match(/Apache/, seen["SERVER_SOFTWARE"])
  end

  # As RFC 3875, 4.1.14, has it.
  def test_the_name_of_an_ipv6_address_has_brackets
    %w[rack wsgi].each do |kind|
      host = "[#{ADDRESSES[kind]}]"
      seen, = ask(kind) { |raw| raw.request("GET", "/x", "Host" => "#{host}:81") }
      assert_equal [host, "81", "#{host}:81"],
                   seen.values_at("SERVER_NAME", "SERVER_PORT", "HTTP_HOST"), kind
    end
    { "http" => "Host: %s:80", "node" => '"Host","%s:80"' }.each do |kind, line|
      next if kind == "node" && !NODE

      host = "[#{ADDRESSES[kind]}]"
      raw = server.raw("#{kind}.test").write("GET http://#{host}/x HTTP/1.0\r\n\r\n")
      assert_includes raw.read_to_end, format(line, host)
    end
  end

  # As doc/PYTHON.md has it.
  def test_a_header_tells_an_asgi_application_the_user
    users = lambda do |path, headers|
      server.raw("asgi.test").get(path, { "X-Remote-User" => "forged" }.merge(headers)).body
    end
    assert_equal "[b'someone']", users.call("/private/x", AUTHORIZED)
    assert_equal "[b'']", users.call("/x", {})
  end

  def test_the_environment_over_tls_is_that_of_a_rack_application
    unless File.exist?(File.join(TestEnvironment.modules_dir, "mod_ssl.so"))
      skip "httpd has no mod_ssl"
    end
    forged = { "X-Forwarded-Proto" => "http", "SSL-Protocol" => "forged",
               "SSL_CLIENT_VERIFY" => "SUCCESS" }
    rack, wsgi = %w[rack wsgi].map do |kind|
      plain(server.client("#{kind}-secure.test", tls: true).json("/x", forged), kind)
    end
    of_connection = %w[SSL_SESSION_ID SSL_CLIENT_RANDOM SSL_SERVER_RANDOM REMOTE_PORT UNIQUE_ID]
    assert_equal rack.except(*of_connection), wsgi.except(*of_connection)
    assert_equal ["on", "https", "https", "NONE"],
                 wsgi.values_at("HTTPS", "scheme", "REQUEST_SCHEME", "SSL_CLIENT_VERIFY")
    assert_match(/-----BEGIN CERTIFICATE-----\n.*\n-----END/m, wsgi["SSL_SERVER_CERT"])
    assert_match(/\ATLSv1/, wsgi["SSL_PROTOCOL"])
  end

  def test_set_env_if_can_set_the_scheme_behind_a_proxy_that_ends_tls
    %w[on On yes YES 1].each do |value|
      seen = assert_alike { |raw| raw.request("GET", "/x", "X-Ends-Tls" => value) }
      assert_equal %w[on https], seen.values_at("HTTPS", "scheme"), value
    end
    %w[off 0 onward].each do |value|
      seen = assert_alike { |raw| raw.request("GET", "/x", "X-Ends-Tls" => value) }
      assert_equal [value, "http"], seen.values_at("HTTPS", "scheme")
    end
  end

  # PEP 3333 has these two decoded, and all other variables as received.
  def test_paths_are_those_of_rack_without_escapes
    ["/caf%C3%A9%20x/%25", "/", "/x?", "/?%zz=%00"].each do |target|
      assert_alike { |raw| raw.request("GET", target) }
      assert_alike("-sub") { |raw| raw.request("GET", "/a%20b#{target}") }
    end
    seen, = ask("wsgi-sub") { |raw| raw.request("GET", "/a%20b/caf%C3%A9") }
    assert_equal ["/a b", "/caf\u00c3\u00a9"], seen.values_at("SCRIPT_NAME", "PATH_INFO")
    assert_equal "/a%20b/caf%c3%a9", seen["REQUEST_URI"].downcase
  end

  # As django.core.handlers.wsgi.get_script_name() of older and of present versions does.
  def test_django_finds_the_prefix_of_its_links
    { ["wsgi", "/x"] => "", ["wsgi", "/old/x"] => "", ["wsgi-sub", "/a%20b"] => "/a b",
      ["wsgi-sub", "/a%20b/x"] => "/a b", ["wsgi", "/forbidden/articles"] => "" }
      .each do |(site, target), prefix|
        seen = prefixed(site, target)
        url = seen["SCRIPT_URL"] || seen["REDIRECT_URL"]
        assert url, "mod_rewrite sets it"
        path = seen["PATH_INFO"]
        assert_equal [prefix] * 3,
                     [seen["SCRIPT_NAME"], url[0...-path.size], url.delete_suffix(path)], target
      end
  end

  # A request of HTTP/0.9 has no head; httpd handles that.
  def test_a_client_without_any_version_is_answered
    seen = %w[rack wsgi].map do |kind|
      raw = server.raw("#{kind}.test").write("GET http://#{kind}.test/x\r\n")
      JSON.parse(raw.read_to_end).values_at("SERVER_PROTOCOL", "SERVER_NAME")
    end
    assert_equal [["HTTP/0.9", "rack.test"], ["HTTP/0.9", "wsgi.test"]], seen
  end

  # The application gets the body's length once httpd knows its end.
  def test_bodies_have_the_announced_length
    ["", "-streamed"].each do |site|
      seen = assert_alike(site) do |raw|
        raw.request("POST", "/b", "Content-Length" => "5", "Content-Type" => "a/b").write("hello")
      end
      assert_equal "5", seen["CONTENT_LENGTH"]
      seen = assert_alike(site) { |raw| raw.request("POST", "/b", "Content-Length" => "0") }
      assert_equal "0", seen["CONTENT_LENGTH"]
      refute assert_alike(site) { |raw| raw.request("GET", "/b") }.key?("CONTENT_LENGTH")
      assert_equal %w[5 hello], measured(site, "/b", { "Transfer-Encoding" => "chunked" },
                                         "5\r\nhello\r\n0\r\n\r\n")
      gzip = Zlib.gzip("x" * 1_000)
      assert_equal ["1000", "x" * 1_000],
                   measured(site, "/inflated", { "Content-Encoding" => "gzip",
                                                 "Content-Length" => gzip.bytesize.to_s }, gzip)
    end
  end

  NAMES = %w[REMOTE_PORT REMOTE_ADDR REMOTE_USER HTTPS SERVER_NAME SERVER_PORT SERVER_PROTOCOL
             REQUEST_SCHEME SSL_CLIENT_VERIFY SCRIPT_NAME PATH_INFO
             SAMPLE_SETTING wsgi.url_scheme wsgi.input CONTENT_LENGTH_ HTTP_HOST REMOTE_HOST
             AUTH_TYPE].freeze

  def test_a_client_cannot_forge_a_variable_by_a_headers_name
    honest = plain(ask("wsgi") { |raw| raw.request("GET", "/x") }.first, "wsgi")
    forms = ->(name) {
      [name, name.downcase, name.tr("_", "-"), name.tr("_", "-").downcase, "HTTP_#{name}",
       "http-#{name.tr('_', '-')}"]
    }
    hostile = NAMES.flat_map(&forms).uniq.to_h { |name| [name, "forged"] }
    seen = assert_alike { |raw| raw.request("GET", "/x", hostile) }
    added = seen.reject { |name, value| honest[name] == value }
    # A header name with dashes becomes a variable HTTP_…; no other variable is added.
    assert_includes added.keys, "HTTP_REMOTE_USER"
    assert_empty(added.keys.reject { |name| name.start_with?("HTTP_") })
    assert_empty honest.keys - seen.keys - ["REMOTE_PORT"]
    assert_equal honest["HTTP_HOST"], seen["HTTP_HOST"]
  end

  def test_a_client_cannot_forge_a_variable_by_a_value_a_target_or_a_body
    forged = "HTTPS=on, 12%00HTTPS%00on%00 POST / HTTP/1.1 99:REMOTE_USER"
    seen = assert_alike do |raw|
      raw.request("GET", "/x?#{forged.tr(' ', '+')}", "X-Forged" => forged,
                  "X-Forwarded-Proto" => "https")
    end
    assert_equal [nil, "http", nil, "https"],
                 seen.values_at("HTTPS", "scheme", "REMOTE_USER", "HTTP_X_FORWARDED_PROTO")
    body = "17\nHTTPS\0on\0REMOTE_USER\0root\0POST / HTTP/1.1\r\n\r\n"
    seen = assert_alike do |raw|
      raw.request("POST", "/x", "Content-Length" => body.bytesize.to_s).write(body)
    end
    assert_equal [nil, nil, body], seen.values_at("HTTPS", "REMOTE_USER", "body")
    %W[X:\ a\0HTTPS\0on X:\ a\n17\nHTTPS X:\ a\rHTTPS].each do |line|
      raw = server.raw("wsgi.test").write("GET /x HTTP/1.1\r\nHost: wsgi.test\r\n#{line}\r\n\r\n")
      assert_equal 400, raw.response.status, line.inspect
    end
  end

  def test_variables_of_one_request_are_not_in_the_next_one
    assert_equal "blue", ask("wsgi") { |raw| raw.request("GET", "/x", "X-Colour" => "blue") }
                   .first["COLOUR"]
    assert_nil ask("wsgi") { |raw| raw.request("GET", "/x") }.first["COLOUR"]
  end

  def test_the_processs_own_environment_is_not_the_requests
    process = client("wsgi.test").json("/process")
    assert process.key?("PATH")
    seen, = ask("wsgi") { |raw| raw.request("GET", "/x") }
    # SetEnv's variables are in both: the sample's, and the sanitizers' options.
    assert_empty seen.keys & (process.keys - %w[SAMPLE_SETTING ASAN_OPTIONS UBSAN_OPTIONS])
  end

  def test_a_long_environment_arrives_whole
    assert_alike do |raw|
      raw.request("GET", "/x?#{'y' * 100_000}",
                  (1..200).to_h { |number| ["X-Filler-#{number}", "x" * 1_000] })
    end
    assert_alike { |raw| raw.request("GET", "/x", "X-Large" => "x" * 900_000) }
    headers = { "X-Large" => "x" * 900_000, "Content-Length" => "300000" }
    assert_alike("-streamed") { |raw| raw.request("POST", "/x", headers).write("x" * 300_000) }
  end

  def test_an_environment_that_is_too_long_is_refused_and_the_next_request_served
    raw = server.raw("wsgi.test").request("GET", "/x", "X-Huge" => "x" * 1_200_000)
    assert_status [400, 413, 414, 431], raw.response
    assert_alike { |one| one.request("GET", "/x") }
  end

  def test_applications_that_speak_http_get_no_variables
    raw = server.raw("http.test")
    raw.request("GET", "/x", "X-Colour" => "blue")
    assert_equal "GET /x HTTP/1.1\r\nHost: http.test:#{server.port}\r\nX-Colour: blue\r\n" \
                   "X-Forwarded-For: 127.0.0.1\r\n\r\n", raw.response.body
  end

  def test_applications_of_node_get_no_variables
    skip "there is no Node" unless NODE
    raw = server.raw("node.test")
    raw.request("GET", "/x", "X-Colour" => "blue")
    assert_equal ["Host", "node.test:#{server.port}", "X-Colour", "blue", "X-Forwarded-For",
                  "127.0.0.1"], JSON.parse(raw.response.body)
  end

  private

  # The request's variables as the site's application sees them, and the client's port. The block
  # sends the request.
  def ask(site)
    raw = server.raw("#{site}.test")
    yield raw, "#{site}.test"
    response = raw.response
    assert_equal 200, response.status, response.body
    [JSON.parse(response.body), raw.port.to_s]
  ensure
    raw&.close
  end

  # The variables, whatever the status of the answer is.
  def prefixed(site, target)
    raw = server.raw("#{site}.test").request("GET", target)
    JSON.parse(raw.response.body)
  ensure
    raw.close
  end

  # Both applications see the same. Returns the variables of the WSGI application.
  def assert_alike(site = "", &request)
    seen = %w[rack wsgi].map do |kind|
      one, port = ask("#{kind}#{site}", &request)
      assert_equal port, one.delete("REMOTE_PORT"), "the port of the client of #{kind}"
      plain(one, kind)
    end
    rack, wsgi = seen
    %w[SCRIPT_NAME PATH_INFO].each do |name|
      rack[name] = rack[name].gsub(/%(\h\h)/) { $1.hex.chr("UTF-8") }
    end
    differing = (rack.keys | wsgi.keys).reject { |name| rack[name] == wsgi[name] }
    assert_equal([], differing.map { |name| [name, rack[name], wsgi[name]] })
    wsgi
  end

  def plain(seen, kind)
    seen.except(*BY_NATURE).transform_values do |value|
      value.gsub("#{kind}.test", "SITE").gsub(/\b#{kind}-(\w+)\.test/, "SITE-\\1")
    end
  end

  def measured(site, path, headers, body)
    seen, = ask("wsgi#{site}") { |raw| raw.request("POST", path, headers).write(body) }
    refute seen.key?("HTTP_TRANSFER_ENCODING")
    seen.values_at("CONTENT_LENGTH", "body")
  end
end
