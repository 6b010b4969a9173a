# frozen_string_literal: true

require_relative "support/integration_test"

# With PassengerRollingRestarts Off, as in development, the request that follows a touch of
# restart.txt gets the new version.
class NextRequestTest < IntegrationTest
  TOUCHES = 8
  NODE = "require('http').createServer((request, response) => response.end('%s'))\n" \
         "  .listen(3000);\n"
  WSGI = "def application(environ, start_response):\n    start_response('200 OK', [])\n" \
         "    return [b'%s']\n"
  # An event stream has no end.
  STREAM = <<~'JS'
    require("http").createServer((request, response) => {
        if (request.url === "/stream") {
            response.writeHead(200, { "Content-Type": "text/event-stream" });
            response.write(": hello\n\n");
        } else {
            response.end("%s");
        }
    }).listen(process.env.PORT || 3000);
  JS
  COMMAND = "const port = process.env.PORT;\n" \
            "require('http').createServer((request, response) => response.end('%s'))\n" \
            "  .listen(port);\n"
  CACHED = "run proc { |_env| [200, { 'cache-control' => 'public, max-age=600' }, ['%s']] }\n"
  CONFIG_RU = "run proc { |_env| [200, {}, ['%s']] }\n"
  DEVELOPMENT = "PassengerAppEnv development\n"

  # Of each site: the startup file, its text with the version as %s, directives.
  SITES = {
    "ruby.test" => ["config.ru", CONFIG_RU, DEVELOPMENT],
    "direct.test" => ["config.ru", CONFIG_RU, "#{DEVELOPMENT}PassengerSpawnMethod direct\n"],
    "node.test" => ["app.js", NODE, DEVELOPMENT],
    "python.test" => ["passenger_wsgi.py", WSGI, "#{DEVELOPMENT}PassengerPython python3\n"],
    "command.test" => ["server.js", COMMAND,
                       "#{DEVELOPMENT}PassengerAppStartCommand \"node server.js\"\n"],
    "streams.test" => ["app.js", STREAM, "#{DEVELOPMENT}PassengerMaxInstances 1\n"],
    "commands_streams.test" => ["server.js", STREAM,
                                "#{DEVELOPMENT}PassengerMaxInstances 1\n" \
                                "PassengerAppStartCommand \"node server.js\"\n"],
    "cached.test" => ["config.ru", CACHED, DEVELOPMENT],
    "off.test" => ["config.ru", CONFIG_RU, "PassengerRollingRestarts Off\n"],
    "rolling.test" => ["config.ru", CONFIG_RU, "#{DEVELOPMENT}PassengerRollingRestarts On\n"],
    "always.test" => ["config.ru", CONFIG_RU, DEVELOPMENT],
    "broken.test" => ["config.ru", CONFIG_RU, DEVELOPMENT],
    "hidden.test" => ["config.ru", CONFIG_RU, DEVELOPMENT]
  }.freeze

  # An hour: no look of the agent's own is due, and inotify tells it of a touch soon, not at once.
  serve do |made|
    made.set("PassengerStatThrottleRate", 3600)
    made.set("PassengerMaxPoolSize", 20)
    SITES.each do |name, (file, text, directives)|
      made.site(name, SampleApps.written(format(text, "version 0"), file), directives)
    end
  end

  %w[ruby direct node python command cached off].each do |name|
    define_method("test_the_request_after_each_touch_gets_the_new_version_of_#{name}") do
      assert_each_touch_is_there_at_once("#{name}.test")
    end
  end

  # The instance of before would end with its clients, or after a minute.
  %w[streams commands_streams].each do |name|
    define_method("test_the_only_instance_of_#{name}_is_new_beside_an_open_stream") do
      site = "#{name}.test"
      body(site)
      stream = server.raw(site).request("GET", "/stream").tap(&:read_head)
      deploy(site, "new")
      begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      assert_equal "new", body(site)
      assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun, :<, 40
    ensure
      stream&.close
    end
  end

  def test_requests_that_come_together_after_a_touch_all_get_the_new_version
    client("ruby.test").get("/")
    3.times do |number|
      deploy("ruby.test", "together #{number}")
      answers = Array.new(6) { Thread.new { body("ruby.test") } }.map(&:value)
      assert_equal ["together #{number}"], answers.uniq
    end
  end

  def test_a_request_with_a_body_gets_the_new_version
    client("off.test").post("/", "x" * 100_000)
    deploy("off.test", "posted")
    assert_equal "posted", client("off.test").post("/", "x" * 100_000).body
  end

  def test_an_explicit_on_rolls_in_development_too
    assert_equal "version 0", body("rolling.test")
    gate = File.join(root("rolling.test"), "gate")
    File.write(file("rolling.test"),
               "sleep 0.02 until File.exist?('#{gate}')\n#{format(CONFIG_RU, 'rolled')}")
    touch("rolling.test")
    assert_equal "version 0", body("rolling.test")
    FileUtils.touch(gate)
    eventually("the new version") { body("rolling.test") == "rolled" }
  end

  def test_with_always_restart_each_request_gets_the_version_that_is_there
    assert_equal "version 0", body("always.test")
    FileUtils.touch(File.join(root("always.test"), "tmp/always_restart.txt"))
    3.times do |number|
      File.write(file("always.test"), format(CONFIG_RU, "always #{number}"))
      assert_equal "always #{number}", body("always.test")
    end
  end

  def test_a_broken_version_is_an_error_at_once_and_the_corrected_one_is_there_at_once
    assert_equal "version 0", body("broken.test")
    3.times do |number|
      File.write(file("broken.test"), "raise 'broken #{number}'\n")
      touch("broken.test")
      assert_includes assert_status(500, client("broken.test").get("/")).body, "broken #{number}"
      deploy("broken.test", "corrected #{number}")
      assert_equal "corrected #{number}", body("broken.test")
    end
  end

  # httpd's children cannot see the file; the agent looks with the rights of the application.
  def test_a_folder_that_httpd_may_not_read_does_not_hide_a_touch
    skip "needs root" unless TestEnvironment.root?
    FileUtils.chown_R("daemon", nil, root("hidden.test"))
    File.chmod(0o700, File.join(root("hidden.test"), "tmp"))
    assert_each_touch_is_there_at_once("hidden.test")
  end

  private

  def assert_each_touch_is_there_at_once(site)
    client(site).get("/")
    1.upto(TOUCHES) do |number|
      deploy(site, "version #{number}")
      assert_equal "version #{number}", body(site)
      assert_equal "version #{number}", body(site), "a further request"
    end
  end

  def body(site)
    client(site).get("/").body
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end

  def file(site)
    File.join(root(site), SITES[site].first)
  end

  def deploy(site, version)
    File.write(file(site), format(SITES[site][1], version))
    touch(site)
  end

  def touch(site)
    FileUtils.touch(File.join(root(site), "tmp/restart.txt"))
  end
end
