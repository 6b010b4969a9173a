# frozen_string_literal: true

require_relative "support/integration_test"

# Applications that fail to start get a clear page and a clear log, and other applications are not
# affected.
class BootFailureTest < IntegrationTest
  serve do |made|
    made.site("healthy.test", SampleApps.rack)
    %w[raises exits syntax_error].each do |kind|
      made.site("#{kind}.test", SampleApps.failing(kind))
    end
    made.site("traced.test", SampleApps.failing("raises"))
    made.site("together.test", SampleApps.failing("raises"))
    made.site("direct.test", SampleApps.failing("raises"), "PassengerSpawnMethod direct\n")
    made.site("gem.test", SampleApps.written("require 'no_such_library'\n"))
    made.site("healing.test", SampleApps.written("raise 'not yet'\n"))
    made.site("nosecret.test", SampleApps.rails)
    made.site("noruby.test", SampleApps.rack, "PassengerRuby /nonexistent/bin/ruby\n")
    made.site("notruby.test", SampleApps.rack, "PassengerRuby /bin/true\n")
  end

  def setup
    @position = server.log.position
  end

  def test_an_exception_at_load_is_a_500_page_and_in_the_log
    assert_failure "raises.test",
                   /KeyError.*SAMPLE_SETTING is missing|SAMPLE_SETTING is missing.*KeyError/m
  end

  def test_the_log_shows_where_the_exception_came_from
    # No other test asks this application: after failed starts an answer can come without a new one.
    client("traced.test").get("/")
    server.log.wait_for(/config\.ru:4/, from: @position)
  end

  def test_an_exit_at_load_is_a_500_page_and_in_the_log
    assert_failure "exits.test", /good bye from config\.ru/
  end

  def test_a_syntax_error_is_a_500_page_and_in_the_log
    assert_failure "syntax_error.test", /SyntaxError|syntax error/
  end

  def test_an_exception_of_a_directly_spawned_application_is_in_the_log
    assert_failure "direct.test", /SAMPLE_SETTING is missing/
  end

  def test_a_missing_library_is_named
    assert_failure "gem.test", /no_such_library/
  end

  def test_rails_without_its_secret_says_so
    # Rails needs the secret with the first request only, so this application starts.
    assert_status 500, client("nosecret.test").get("/")
    server.log.wait_for(/secret_key_base/, from: @position)
  end

  def test_a_ruby_that_is_not_there_is_named
    assert_failure "noruby.test", %r{/nonexistent/bin/ruby}
  end

  def test_a_ruby_that_is_no_ruby_is_named
    assert_failure "notruby.test", %r{/bin/true}
  end

  def test_a_repaired_application_is_served
    assert_status 500, client("healing.test").get("/")
    root = site("healing.test").root
    File.write(File.join(root, "config.ru"), SampleApps.saying("healed"))
    FileUtils.touch(File.join(root, "tmp/restart.txt"))
    eventually("the mended application") { client("healing.test").get("/").body == "healed" }
  end

  def test_requests_that_wait_for_a_failing_application_all_get_their_page
    codes = Array.new(8) { Thread.new { client("together.test").get("/").code } }.map(&:value)
    assert_equal ["500"], codes.uniq
  end

  def test_an_application_that_fails_does_not_disturb_another
    client("healthy.test").get("/hello")
    failing = Array.new(4) { Thread.new { client("together.test").get("/") } }
    10.times { assert_status 200, client("healthy.test").get("/hello") }
    failing.each(&:join)
  end

  private

  def site(name)
    server.configuration.sites.find { |one| one.name == name }
  end

  def assert_failure(name, pattern)
    response = assert_status(500, client(name).get("/", "Accept" => "text/html"))
    assert_match %r{text/html}, response["Content-Type"]
    refute_empty response.body
    eventually("#{pattern.inspect} in the log") { server.log.text(@position).match?(pattern) }
    eventually("the application's name in the log") do
      server.log.text(@position).include?(site(name).root)
    end
    assert_status 200, client("healthy.test").get("/hello")
  end
end
