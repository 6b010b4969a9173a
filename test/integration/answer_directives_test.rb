# frozen_string_literal: true

require_relative "support/integration_test"

# Directives about answers: answers that httpd replaces, and headers that httpd adds.
class AnswerDirectivesTest < IntegrationTest
  APPLICATION = <<~'RUBY'
    # Waits until COUNT requests with the same folder have arrived, /among/COUNT/FOLDER.
    def gather(count, folder)
      File.write("#{folder}/#{Process.pid}.#{rand}", "")
      sleep 0.01 until Dir.children(folder).size >= count
    end

    run(lambda do |env|
      env["PATH_INFO"][%r{\A/among/(\d+)(/.*)}] && gather($1.to_i, $2)
      status = env["PATH_INFO"][%r{\A/status/(\d+)}, 1].to_i
      headers = { "Content-Type" => "text/plain", "X-App" => "mine", "Set-Cookie" => "a=1",
                  "WWW-Authenticate" => "Basic realm=app", "Allow" => "GET" }
      headers["Retry-After"] = "3600" if env["QUERY_STRING"] == "later"
      headers["Allow"] = "PUT, PURGE" if status == 405
      if status.zero?
        [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
      else
        [status, headers, ["the application's own words"]]
      end
    end)
  RUBY

  serve do |made|
    made.set("PassengerMaxPoolSize", 10)
    error = "ErrorDocument 404 \"httpd's words\"\nErrorDocument 503 /sorry.html\n" \
            "ErrorDocument 401 \"who are you\"\nErrorDocument 405 \"not so\"\n"
    made.site("override.test", app, "#{error}PassengerErrorOverride on\n<Location /status/410>\n" \
                                    "  PassengerErrorOverride off\n</Location>\n")
    made.site("own.test", app, error)
    made.site("pages.test", app, "ErrorDocument 404 /status/404?page\nPassengerErrorOverride on\n" \
                                 "ErrorDocument 405 /sorry.html\n")
    two = "PassengerMinInstances 2\nPassengerStartInstances 2\nPassengerMaxInstances 2\n" \
          "PassengerStickySessions on\n"
    made.site("sticky.test", app, two)
    named = app
    made.site("named.test", named, "#{two}PassengerStickySessionsCookieName route\n" \
                                   "PassengerStickySessionsCookieAttributes SameSite=None\n" \
                                   "PassengerBaseURI /chat\nAlias /chat #{named}/public\n")
    made.site("threads.test", app, "PassengerThreadCount 4\nPassengerConcurrencyModel process\n")
  end

  def self.app
    SampleApps.written(APPLICATION).tap do |folder|
      File.write(File.join(folder, "public/sorry.html"), "sorry, says httpd")
    end
  end

  def test_an_error_status_of_the_application_gets_httpds_error_document
    { 404 => "httpd's words", 503 => "sorry, says httpd",
      401 => "who are you" }.each do |status, words|
      response = assert_status(status, client("override.test").get("/status/#{status}"))
      assert_equal words, response.body
      assert_nil response["X-App"]
    end
    assert_match(/<title>500/, assert_status(500, client("override.test").get("/status/500")).body)
  end

  def test_an_error_document_from_the_application_is_shown_whatever_its_status
    response = assert_status(404, client("pages.test").get("/status/404"))
    assert_equal ["the application's own words", "mine"], [response.body, response["X-App"]]
  end

  def test_headers_that_belong_to_the_status_stay
    response = client("override.test").get("/status/401")
    assert_equal "Basic realm=app", response["WWW-Authenticate"]
    assert_equal %w[a=1 GET], response.to_hash.values_at("set-cookie", "allow").flatten
    later, soon = %w[?later ?].map do |query|
      client("override.test").get("/status/503#{query}").get_fields("Retry-After")
    end
    assert_equal ["3600"], later
    assert_match(/\A[2-6]\z/, soon.join(" "))
  end

  # httpd makes this header of a page without a URL itself, and adds the methods that it allows.
  def test_methods_that_the_application_allows_stay
    { "override.test" => "not so", "pages.test" => "sorry, says httpd" }.each do |site, words|
      response = assert_status(405, client(site).get("/status/405"))
      assert_equal words, response.body
      assert_equal %w[PURGE PUT], response["Allow"].split(/, ?/).sort - %w[TRACE], site
    end
  end

  # httpd has no ErrorDocument for 418, 499 and 520.
  def test_other_statuses_places_and_sites_keep_the_applications_body
    [["override.test", 200], ["override.test", 302], ["override.test", 410],
     ["override.test", 418], ["override.test", 499], ["override.test", 520], ["own.test", 404],
     ["own.test", 500]].each do |site, status|
      response = assert_status(status, client(site).get("/status/#{status}"))
      assert_equal ["the application's own words", "mine"], [response.body, response["X-App"]],
                   "#{site} #{status}"
    end
  end

  def test_a_connection_is_kept_after_an_error_document
    client("override.test").keep_alive do |connection|
      bodies = ["/status/404", "/", "/status/503"].map do |path|
        connection.get(path, "Host" => "override.test").body
      end
      assert_equal ["httpd's words", "sorry, says httpd"], bodies.values_at(0, 2)
    end
  end

  def test_a_client_returns_to_its_instance_by_the_cookie
    cookies = sessions
    assert_equal 2, cookies.uniq.size
    cookies.uniq.each do |pid, cookie|
      assert_match(/\A_passenger_route=\d+; Path=\/; HttpOnly; SameSite=Lax; Secure\z/, cookie)
      5.times do
        response = client("sticky.test").get("/", "Cookie" => "other=1; #{cookie[/[^;]*/]}")
        assert_equal pid, response.body
        assert_nil response["Set-Cookie"]
      end
    end
  end

  def test_a_forged_or_stale_cookie_is_harmless_and_gets_a_new_one
    ["_passenger_route=1", "_passenger_route=4294967295", "_passenger_route=99999999999",
     "_passenger_route=x", "_passenger_route="].each do |cookie|
      response = assert_status(200, client("sticky.test").get("/", "Cookie" => cookie))
      assert_match(/\A_passenger_route=\d+;/, response["Set-Cookie"])
    end
  end

  def test_the_cookies_name_and_attributes_can_be_set
    assert_match(/\Aroute=\d+; Path=\/; HttpOnly; SameSite=None\z/,
                 client("named.test").get("/")["Set-Cookie"])
    assert_match(/\Aroute=\d+; Path=\/chat; /, client("named.test").get("/chat/1")["Set-Cookie"])
  end

  def test_without_sticky_sessions_there_is_no_cookie
    assert_nil client("own.test").get("/")["Set-Cookie"]
  end

  def test_the_process_model_has_one_thread_whatever_the_number_of_threads
    pids = together("threads.test", 3, 2).map(&:body)
    assert_operator pids.uniq.size, :>, 1
  end

  def test_the_version_is_in_the_header_unless_turned_off
    assert_match(%r{\Amod_passenger \d}, client("own.test").get("/")["X-Powered-By"])
    with_server(configuration { |made| made.set("PassengerShowVersionInHeader",
                                                "off") }) do |server|
      assert_equal "mod_passenger", server.client.get("/hello")["X-Powered-By"]
      server.graceful { |made| made.set("PassengerShowVersionInHeader", nil) }
      # A child that is about to end may still answer.
      eventually("the version") do
        server.client.get("/hello")["X-Powered-By"].match?(%r{\Amod_passenger \d})
      end
    end
  end

  def test_lines_of_applications_have_a_prefix_unless_turned_off_by_a_reload_too
    with_server(configuration { |made| made.set("PassengerDisableLogPrefix", "on") }) do |server|
      server.client.get("/hello")
      server.log.wait_for(/^rack_app loaded in \d+$/)
      server.graceful { |made| made.set("PassengerDisableLogPrefix", nil) }
      # The agent gets the new settings a moment later.
      eventually("a prefix") do
        server.client.get("/stderr?text=again") && server.log.text.match?(/^App \d+ output: /)
      end
    end
  end

  private

  # Pids and cookies of requests that two instances share.
  def sessions
    together("sticky.test", 6, 2).map { |response| [response.body, response["Set-Cookie"]] }
  end

  # Sends `count` requests; the application answers none before `least` have begun.
  def together(site, count, least)
    path = "/among/#{least}#{scratch}"
    Array.new(count) { Thread.new { client(site).get(path) } }.map(&:value)
  end
end
