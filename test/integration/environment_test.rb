# frozen_string_literal: true

require_relative "support/integration_test"

# The environment of requests and of processes.
class EnvironmentTest < IntegrationTest
  # Keeps the environment of its process as it was when the application was loaded.
  AT_LOAD = <<~RUBY
    require "json"
    at_load = ENV.to_h
    run proc { |env|
      request = env.select { |_, value| value.is_a?(String) }
      answer = { "pid" => Process.pid, "at_load" => at_load, "request" => request }
      [200, { "Content-Type" => "application/json" }, [JSON.generate(answer)]]
    }
  RUBY

  # Writes the same into a file, for instances that start without a request.
  SAVED_AT_LOAD = <<~RUBY
    File.open(File.join(__dir__, "tmp/loaded"), "a") do |file|
      file.puts "\#{Process.pid} \#{ENV['SAMPLE_SETTING']}"
    end
    run proc { |_env| [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]] }
  RUBY

  serve do |made|
    made.tls_port = UnusedPort.find
    rack = SampleApps.rack
    made.site("rack.test", rack, "SetEnvIf X-Colour (.+) COLOUR=$1\n" \
                                 "SetEnvIf X-Session (.+) HTTP_SESSION=$1\n")
    made.site("secure.test", rack, "", tls: true)
    made.site("settings.test", SampleApps.written(AT_LOAD), <<~CONF)
      SetEnv SAMPLE_SETTING "a value with spaces"
      SetEnv SAMPLE_UTF8 Grüße
      PassengerAppEnv staging
    CONF
    made.site("asked.test", SampleApps.written(AT_LOAD),
              "PassEnv TMPDIR\nSetEnv SAMPLE_SETTING asked\nUnsetEnv SAMPLE_SETTING\n" \
              "SetEnvIf User-Agent . FROM_REQUEST=yes\n" \
              "RewriteEngine on\nRewriteRule . - [E=FROM_RULE:yes]\n")
    session_site(made, rack)
    folder = with_htaccess(AT_LOAD, "SetEnv HTA_SETTING first\n")
    made.site("htaccess.test", folder, allowing_htaccess(folder))
    made.site("remembered.test", SampleApps.written(SAVED_AT_LOAD),
              "SetEnv SAMPLE_SETTING remembered\nPassengerSpawnMethod direct\n")
  end

  def self.session_site(made, app)
    %w[session session_cookie].each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
    session = "Session On\nSessionEnv On\nSessionCookieName kept path=/\n"
    made.site("session.test", app, session)
    made.site("excluded.test", app, "#{session}SessionExclude /\n")
  end

  def self.with_htaccess(config_ru, htaccess)
    SampleApps.written(config_ru).tap do |folder|
      File.write(File.join(folder, "public/.htaccess"), htaccess)
      TestEnvironment.hand_over(folder)
    end
  end

  def self.allowing_htaccess(folder)
    "<Directory \"#{folder}\">\n  AllowOverride All\n</Directory>\n"
  end

  def env(path = "/env", headers = {})
    client.json(path, headers)
  end

  def test_escaped_paths_reach_the_application_escaped
    ["/env/caf%C3%A9%20au%20lait", "/env/a%25b", "/env/a%3Fb%23c", "/env/a+b;c=d,e@f:g",
     "/env/%E2%82%AC"].each do |path|
      seen = env("#{path}?q=%C3%A9")
      # The case of an escape's digits has no meaning.
      escaped = seen.values_at("PATH_INFO", "REQUEST_URI").map do |text|
        text.gsub(/%\h\h/, &:upcase)
      end
      assert_equal [path, "#{path}?q=%C3%A9", ""], [*escaped, seen["SCRIPT_NAME"]]
    end
  end

  def test_a_path_in_plain_utf8_reaches_the_application
    raw = server.raw
    raw.request("GET", "/env/Grüße/café")
    seen = JSON.parse(raw.response.body)
    assert_equal "/env/Grüße/café", URI.decode_www_form_component(seen["PATH_INFO"])
    assert_equal "/env/Grüße/café", URI.decode_www_form_component(seen["REQUEST_URI"])
  ensure
    raw&.close
  end

  def test_query_strings_are_left_alone
    ["a=1&b=2", "a=%C3%A9+x&c=%26&&", "no-equals-sign", "a[]=1&a[]=2", "x=%00%0D%0A",
     "?="].each do |query|
      assert_equal query, env("/env?#{query}")["QUERY_STRING"]
    end
    assert_equal "", env("/env")["QUERY_STRING"]
    assert_equal "", env("/env?")["QUERY_STRING"]
  end

  def test_a_long_query_string_arrives_whole
    query = "q=#{'x' * 7_000}"
    assert_equal query, env("/env?#{query}")["QUERY_STRING"]
  end

  def test_the_clients_address_and_the_servers_name_are_known
    seen = env
    assert_equal ["127.0.0.1", "rack.test", "rack.test:#{server.port}"],
                 seen.values_at("REMOTE_ADDR", "SERVER_NAME", "HTTP_HOST")
    assert_match(/\A\d+\z/, seen["REMOTE_PORT"])
    assert_equal [server.port.to_s, "HTTP/1.1", "GET"],
                 seen.values_at("SERVER_PORT", "SERVER_PROTOCOL", "REQUEST_METHOD")
    assert_match(/Apache/, seen["SERVER_SOFTWARE"])
  end

  def test_a_request_without_tls_is_not_https
    seen = env
    assert_includes [nil, "", "off"], seen["HTTPS"]
    assert_equal "http", seen["rack.url_scheme"]
  end

  def test_a_request_over_tls_is_https
    unless File.exist?(File.join(TestEnvironment.modules_dir, "mod_ssl.so"))
      skip "httpd has no mod_ssl"
    end
    seen = server.client("secure.test", tls: true).json("/env")
    assert_equal %w[on https], seen.values_at("HTTPS", "rack.url_scheme")
    assert_equal server.configuration.tls_port.to_s, seen["SERVER_PORT"]
  end

  def test_headers_become_variables
    seen = env("/env", "X-Custom-Header" => "one", "Accept-Language" => "de",
               "Cookie" => "a=1; b=2")
    assert_equal ["one", "de", "a=1; b=2"],
                 seen.values_at("HTTP_X_CUSTOM_HEADER", "HTTP_ACCEPT_LANGUAGE", "HTTP_COOKIE")
  end

  def test_the_bodys_type_and_length_have_names_of_their_own
    raw = server.raw
    raw.request("POST", "/env",
                { "Content-Type" => "text/weird", "Content-Length" => "3" }).write("abc")
    seen = JSON.parse(raw.response.body)
    assert_equal %w[text/weird 3], seen.values_at("CONTENT_TYPE", "CONTENT_LENGTH")
    refute seen.key?("HTTP_CONTENT_LENGTH")
  ensure
    raw&.close
  end

  def test_twenty_kilobytes_of_headers_reach_the_application
    headers = (1..20).to_h { |number| ["X-Filler-#{number}", number.to_s * 1_000] }
    seen = env("/env", headers)
    headers.each { |name, value| assert_equal value, seen["HTTP_#{name.upcase.tr('-', '_')}"] }
  end

  def test_seventy_kilobytes_of_headers_reach_the_application
    headers = (1..70).to_h { |number| ["X-Filler-#{number}", (number % 10).to_s * 1_000] }
    seen = env("/env", headers)
    headers.each { |name, value| assert_equal value, seen["HTTP_#{name.upcase.tr('-', '_')}"] }
  end

  def test_a_long_head_with_a_body_arrives_whole
    headers = (1..70).to_h { |number| ["X-Filler-#{number}", "x" * 1_000] }
    answer = JSON.parse(client.post("/upload", Pattern.bytes(100_000), headers).body)
    assert_equal [100_000, Pattern.digest(100_000)], answer.values_at("size", "sha256")
  end

  def test_names_with_underscores_do_not_shadow_real_headers
    assert_equal "real", env("/env", "X-Real-User" => "real",
                             "X_Real_User" => "forged")["HTTP_X_REAL_USER"]
    assert_equal "real", env("/env", "X_Real_User" => "forged",
                             "X-Real-User" => "real")["HTTP_X_REAL_USER"]
  end

  def test_a_proxy_header_does_not_become_http_proxy
    assert_nil env("/env", "Proxy" => "http://evil.test/")["HTTP_PROXY"]
  end

  # SessionEnv of mod_session.
  def test_the_session_of_httpd_is_in_the_environment_and_cannot_be_forged
    session = client("session.test").json("/env", "Cookie" => "kept=who=ann",
                                                  "Session" => "who=bob")["HTTP_SESSION"]
    assert_includes session, "who=ann"
    refute_includes session, "bob"
    %w[session.test excluded.test].each do |site|
      forged = client(site).json("/env", "Session" => "b")["HTTP_SESSION"]
      refute_includes forged.to_s, "b", site
    end
    assert_equal %w[b a], [{}, { "X-Session" => "a" }].map { |more|
      env("/env", more.merge("Session" => "b"))["HTTP_SESSION"]
    }
  end

  def test_set_env_is_in_the_process_before_the_application_loads
    at_load = client("settings.test").json("/")["at_load"]
    assert_equal ["a value with spaces", "Grüße"],
                 at_load.values_at("SAMPLE_SETTING", "SAMPLE_UTF8")
  end

  def test_pass_env_is_in_the_process_before_the_application_loads
    at_load = client("asked.test").json("/")["at_load"]
    assert_equal [server.environment["TMPDIR"], nil], at_load.values_at("TMPDIR", "SAMPLE_SETTING")
    refute_equal server.environment["TMPDIR"],
                 client("settings.test").json("/")["at_load"]["TMPDIR"]
  end

  # The process lives longer than the visitor who starts it.
  def test_variables_that_a_request_sets_are_in_the_request_and_not_in_the_process
    seen = client("asked.test").json("/", "User-Agent" => "test")
    names = %w[FROM_REQUEST FROM_RULE]
    assert_equal [%w[yes yes], [nil, nil]],
                 [seen["request"].values_at(*names), seen["at_load"].values_at(*names)]
  end

  # A restart starts the first instance with the variables of the last ATTACH. Later, httpd's
  # children send the new ones (COMPATIBILITY.md).
  def test_variables_of_an_htaccess_file_are_in_the_process_and_a_change_after_two_restarts
    seen = -> { client("htaccess.test").json("/") }
    assert_equal "first", seen.call["at_load"]["HTA_SETTING"]
    File.write(File.join(root("htaccess.test"), "public/.htaccess"), "SetEnv HTA_SETTING second\n")
    assert_equal %w[first second], seen.call.then { |all|
      [all["at_load"]["HTA_SETTING"], all["request"]["HTA_SETTING"]]
    }
    2.times do |number|
      pid = seen.call["pid"]
      time = Time.now + number
      File.write(File.join(root("htaccess.test"), "tmp/restart.txt"), "")
      File.utime(time, time, File.join(root("htaccess.test"), "tmp/restart.txt"))
      eventually("the next version") { seen.call["pid"] != pid }
    end
    assert_equal "second", seen.call["at_load"]["HTA_SETTING"]
  end

  def test_variables_that_a_reload_changes_are_in_the_next_process
    made = configuration do |one|
      one.site("changed.test", SampleApps.written(AT_LOAD), "SetEnv CHANGED first\n")
    end
    with_server(made) do |own|
      seen = -> {
        own.client.json("/").then { |all| [all["at_load"]["CHANGED"], all["request"]["CHANGED"]] }
      }
      assert_equal %w[first first], seen.call
      own.graceful { |one| one.sites.first.directives = "SetEnv CHANGED second\n" }
      eventually("the new children") { seen.call == %w[first second] }
      FileUtils.touch(File.join(own.configuration.sites.first.root, "tmp/restart.txt"))
      eventually("the new value") { seen.call == %w[second second] }
    end
  end

  # PassengerMinInstances starts an instance in place of a dead one; a restart starts another while
  # its application is in use.
  def test_instances_that_start_without_a_request_have_the_last_requests_variables
    Process.kill(:KILL, client("remembered.test").get("/").body.to_i)
    assert_equal %w[remembered remembered], eventually("another instance") { settings_at_load(2) }
    restart = File.join(root("remembered.test"), "tmp/restart.txt")
    File.write(restart, "")
    assert_equal ["remembered"] * 3,
                 eventually("an instance of the next version") { settings_at_load(3) }
  end

  def test_set_env_is_in_each_requests_environment
    assert_equal "a value with spaces",
                 client("settings.test").json("/")["request"]["SAMPLE_SETTING"]
  end

  def test_variables_of_one_request_are_in_that_request_only
    assert_equal "blue", env("/env", "X-Colour" => "blue")["COLOUR"]
    assert_nil env["COLOUR"]
  end

  def test_the_applications_environment_has_its_names
    at_load = client("settings.test").json("/")["at_load"]
    assert_equal %w[staging staging], at_load.values_at("RAILS_ENV", "RACK_ENV")
  end

  def test_the_application_runs_in_its_own_folder
    assert_equal server.configuration.sites.first.root, client.json("/process")["directory"]
  end

  def test_the_secrets_of_httpds_own_environment_stay_there
    refute client.json("/process")["environment"].key?("PASSENGER_TEST_ID")
  end

  private

  def root(name)
    server.configuration.sites.find { |site| site.name == name }.root
  end

  # The variables that each instance of remembered.test had; nil before `count` instances have
  # started.
  def settings_at_load(count)
    lines = File.readlines(File.join(root("remembered.test"), "tmp/loaded"), chomp: true)
    lines.map { |line| line.split[1] } if lines.size >= count
  end
end
