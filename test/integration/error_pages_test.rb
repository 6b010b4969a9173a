# frozen_string_literal: true

require "json"

require_relative "support/integration_test"

# What is shown of an application that does not start, to whom, and in which form.
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
    made.site("lost.test", SampleApps.written("raise 'no'\n"), "PassengerCustomErrorPage /nonexistent/sorry.html\n")
    { "shown.test" => %w[production On], "hidden.test" => %w[development Off] }.each do |name, (environment, value)|
      root = SampleApps.written("raise 'as ordered'\n")
      File.write(File.join(root, "public/.htaccess"), "PassengerFriendlyErrorPages #{value}\n")
      made.site(name, root, "PassengerAppEnv #{environment}\n<Directory \"#{root}/public\">\nAllowOverride All\n</Directory>\n")
    end
  end

  def page(name, headers = BROWSER)
    assert_status 500, client(name).get("/", headers)
  end

  def report_id(response)
    response.body[%r{Report: (?:<code>)?(\h{8})}, 1]
  end

  def test_in_development_a_browser_is_shown_everything
    body = page("development.test").body
    ["What usually causes this", "RuntimeError", "config.ru:2", "Last output of the application", "Steps", "app loaded",
     "Limits", "Environment", "RACK_ENV"].each { |part| assert_includes body, part }
  end

  def test_whoever_asks_later_is_shown_it_too
    first = page("development.test")
    second = page("development.test")
    assert_includes second.body, "RuntimeError"
    assert_match(/\A\h{8}\z/, report_id(first))
  end

  def test_what_an_application_says_is_no_markup
    body = page("development.test").body
    refute_match(/<script|<b>/, body)
    assert_includes body, "&lt;script&gt;alert(&#39;swordfish&#39;)&lt;/script&gt;"
    refute_includes body, "\e"
  end

  def test_the_page_may_load_and_run_nothing
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

  def test_json_is_given_to_who_asks_for_it
    response = page("development.test", "Accept" => "application/json")
    assert_equal "application/json", response["Content-Type"]
    assert_includes JSON.parse(response.body)["summary"], "<script>"
  end

  def test_in_production_nobody_is_shown_what_an_application_says
    [BROWSER, { "Accept" => "*/*" }, { "Accept" => "application/json" }].each do |headers|
      response = page("production.test", headers)
      refute_match(/script|swordfish|RuntimeError|config\.ru|printed/, response.body)
    end
  end

  def test_the_plain_page_has_the_id_under_which_the_log_has_everything
    id = report_id(page("production.test"))
    server.log.wait_for(/report=#{id} .*RuntimeError/)
    server.log.wait_for(/report=#{id} What helps: /)
  end

  def test_secrets_are_shown_to_nobody
    body = page("secret.test").body
    refute_includes body, "swordfish"
    assert_match(%r{API_TOKEN</td><td>\[hidden\]}, body)
    assert_match(%r{GREETING</td><td>hello}, body)
  end

  def test_an_htaccess_file_may_show_it
    assert_includes page("shown.test").body, "as ordered"
  end

  def test_an_htaccess_file_may_hide_it
    refute_includes page("hidden.test").body, "as ordered"
  end

  def test_an_administrators_own_page_stands_in_for_the_plain_one
    response = page("custom.test")
    assert_equal OWN_PAGE, response.body
    assert_match %r{text/html}, response["Content-Type"]
  end

  def test_an_own_page_that_is_not_there_is_said_in_the_log
    assert report_id(page("lost.test"))
    server.log.wait_for(%r{event=error_page\.unreadable file="/nonexistent/sorry\.html"})
  end
end
