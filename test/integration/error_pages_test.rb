# frozen_string_literal: true

require "json"

require_relative "support/integration_test"

# Pages for applications that do not start: their content, their readers, and their formats.
class ErrorPagesTest < IntegrationTest
  HOSTILE = "puts \"\\e]0;owned\\a<b>printed</b>\"\nraise \"<script>alert('swordfish')</script>\"\n"
  BROWSER = { "Accept" => "text/html,application/xhtml+xml,*/*;q=0.8" }.freeze
  OWN_PAGE = "<h1>Our page</h1>\n"

  serve do |made|
    made.site("development.test", SampleApps.written(HOSTILE), "PassengerAppEnv development\n")
    made.site("production.test", SampleApps.written(HOSTILE))
    made.site("secret.test", SampleApps.written("raise 'no'\n"),
              "PassengerFriendlyErrorPages On\nSetEnv API_TOKEN swordfish\nSetEnv GREETING hello\n")
    folder = SampleApps.written("raise 'no'\n")
    File.write(File.join(folder, "sorry.html"), OWN_PAGE)
    made.site("custom.test", folder, "PassengerCustomErrorPage #{folder}/sorry.html\n")
    made.site("lost.test", SampleApps.written("raise 'no'\n"),
              "PassengerCustomErrorPage /nonexistent/sorry.html\n")
    %w[fifo linked].each do |name|
      folder = SampleApps.written("raise 'no'\n")
      made.site("#{name}.test", folder, "PassengerCustomErrorPage #{folder}/sorry.html\n")
    end
    overridden_sites(made)
    { "shown.test" => %w[production On],
      "hidden.test" => %w[development Off] }.each do |name, (environment, value)|
      root = SampleApps.written("raise 'as ordered'\n")
      File.write(File.join(root, "public/.htaccess"), "PassengerFriendlyErrorPages #{value}\n")
      made.site(name, root, "PassengerAppEnv #{environment}\n<Directory \"#{root}/public\">\n" \
                            "AllowOverride All\n</Directory>\n")
    end
  end

  def self.overridden_sites(made)
    folder = SampleApps.written("raise 'as ordered'\n")
    File.write(File.join(folder, "sorry.html"), OWN_PAGE)
    override = "PassengerErrorOverride on\nErrorDocument 500 \"httpd's words\"\n"
    { "plain" => "", "default" => "PassengerAppEnv development\n",
      "explicit" => "PassengerFriendlyErrorPages on\n",
      "custom" => "PassengerCustomErrorPage #{folder}/sorry.html\n",
      "own" => "ErrorDocument 500 /page\n" }.each do |name, directives|
      made.site("overridden-#{name}.test", folder, "#{override}#{directives}")
    end
  end

  def page(name, headers = BROWSER)
    assert_status 500, client(name).get("/", headers)
  end

  def custom_page(site)
    File.join(server.configuration.sites.find { |one| one.name == site }.root, "sorry.html")
  end

  def report_id(response)
    response.body[%r{Report: (?:<code>)?(\h{8})}, 1]
  end

  def test_in_development_a_browser_gets_the_full_page
    body = page("development.test").body
    ["Usual cause", "RuntimeError", "config.ru:2", "Last output of the application",
     "Steps", "app loaded",
     "Limits", "Environment", "RACK_ENV"].each { |part| assert_includes body, part }
  end

  def test_later_requests_get_the_full_page_too
    first = page("development.test")
    second = page("development.test")
    assert_includes second.body, "RuntimeError"
    assert_match(/\A\h{8}\z/, report_id(first))
  end

  def test_output_of_an_application_is_escaped
    body = page("development.test").body
    refute_match(/<script|<b>/, body)
    assert_includes body, "&lt;script&gt;alert(&#39;swordfish&#39;)&lt;/script&gt;"
    refute_includes body, "\e"
  end

  def test_the_page_forbids_scripts_and_other_resources
    response = page("development.test")
    assert_match(/default-src 'none'/, response["Content-Security-Policy"])
    assert_equal "nosniff", response["X-Content-Type-Options"]
    assert_equal "no-store", response["Cache-Control"]
  end

  def test_other_clients_get_plain_text
    response = page("development.test", "Accept" => "*/*")
    assert_equal "text/plain; charset=utf-8", response["Content-Type"]
    assert_includes response.body, "<script>"
    refute_includes response.body, "\e"
  end

  def test_clients_that_accept_json_get_json
    response = page("development.test", "Accept" => "application/json")
    assert_equal "application/json", response["Content-Type"]
    assert_includes JSON.parse(response.body)["summary"], "<script>"
  end

  def test_in_production_no_page_has_output_of_an_application
    [BROWSER, { "Accept" => "*/*" }, { "Accept" => "application/json" }].each do |headers|
      response = page("production.test", headers)
      refute_match(/script|swordfish|RuntimeError|config\.ru|printed/, response.body)
    end
  end

  def test_the_plain_page_has_the_id_of_the_report_in_the_log
    id = report_id(page("production.test"))
    server.log.wait_for(/report=#{id} .*RuntimeError/)
    server.log.wait_for(/report=#{id} Remedy: /)
  end

  def test_no_page_shows_secrets
    body = page("secret.test").body
    refute_includes body, "swordfish"
    assert_match(%r{API_TOKEN</td><td>\[hidden\]}, body)
    assert_match(%r{GREETING</td><td>hello}, body)
  end

  def test_an_htaccess_file_may_show_the_full_page
    assert_includes page("shown.test").body, "as ordered"
  end

  def test_an_htaccess_file_may_hide_the_full_page
    refute_includes page("hidden.test").body, "as ordered"
  end

  def test_an_administrators_own_page_stands_in_for_the_plain_one
    response = page("custom.test")
    assert_equal OWN_PAGE, response.body
    assert_match %r{text/html}, response["Content-Type"]
  end

  def test_httpds_error_document_replaces_the_page_with_error_override
    %w[plain default].each do |site|
      response = page("overridden-#{site}.test")
      assert_equal ["httpd's words", nil], [response.body, response["Content-Security-Policy"]]
    end
  end

  def test_a_directive_that_chooses_a_page_keeps_it_with_error_override
    assert_includes page("overridden-explicit.test").body, "as ordered"
    assert_equal OWN_PAGE, page("overridden-custom.test").body
  end

  def test_an_error_document_of_the_application_that_does_not_start_is_the_modules_page
    assert report_id(page("overridden-own.test"))
  end

  # A child of httpd would wait for a writer of it, and never answer.
  def test_a_custom_page_that_is_a_fifo_holds_no_request
    File.mkfifo(custom_page("fifo.test"))
    assert report_id(page("fifo.test"))
    wait_for_unreadable(".*", "it is no regular file")
  end

  def test_a_link_of_an_applications_owner_shows_no_file_of_others
    needs_root("to be somebody else")
    path = custom_page("linked.test")
    TestEnvironment.hand_over(File.dirname(path), TestEnvironment::OTHER_USER)
    File.symlink("/etc/passwd", path)
    assert report_id(page("linked.test"))
    own = File.join(File.dirname(path), "own.html")
    File.write(own, OWN_PAGE)
    TestEnvironment.hand_over(own, TestEnvironment::OTHER_USER)
    File.unlink(path)
    File.symlink("own.html", path)
    assert_equal OWN_PAGE, page("linked.test").body
  end

  def test_a_missing_custom_page_is_logged
    assert report_id(page("lost.test"))
    wait_for_unreadable("/nonexistent", "No such file or directory")
  end

  private

  def wait_for_unreadable(folder, reason)
    file = "#{folder}/sorry\\.html"
    server.log.wait_for(/event=error_page\.unreadable app=".*" file="#{file}" reason="#{reason}"/)
  end
end
