# frozen_string_literal: true

require "cgi"

require_relative "support/integration_test"
require_relative "support/steady_load"

# Servers behind a bridge whose first process listens before a worker has loaded the application:
# they are ready when a worker has accepted a connection.
class WorkerServersTest < IntegrationTest
  PROGRAMS = %w[gunicorn unicorn].freeze
  AVAILABLE = PROGRAMS.select { |name| system("#{name} --version >/dev/null 2>&1") }.freeze
  GUNICORN = "exec gunicorn main:app --bind unix:$PASSENGER_SOCKET"
  # Has the kernel keep each connection back until a byte has come.
  UNICORN = "exec unicorn -E none -l 127.0.0.1:$PORT"
  BROKEN = "import nosuch\n"

  serve do |made|
    made.set("PassengerMaxPoolSize", 10)
    site(made, "broken.test", BROKEN, "main.py", GUNICORN, "PassengerFriendlyErrorPages On\n")
    site(made, "broken_tcp.test", BROKEN, "main.py",
         "exec gunicorn main:app --workers 2 --bind 127.0.0.1:$PORT")
    site(made, "deployed.test", saying("one"), "main.py", GUNICORN)
    site(made, "slow.test", "import time\ntime.sleep(2)\n#{saying('late')}", "main.py", GUNICORN)
    site(made, "unicorn.test", rackup("require 'rack'"), "config.ru", UNICORN)
    site(made, "broken_unicorn.test", rackup("require 'nosuch'"), "config.ru", UNICORN,
         "PassengerFriendlyErrorPages On\nPassengerStartTimeout 15\n")
  end

  def self.site(made, name, text, file, command, directives = "")
    made.site(name, SampleApps.written(text, file),
              "PassengerMaxInstances 1\nPassengerAppStartCommand \"#{command}\"\n#{directives}")
  end

  def self.saying(text)
    <<~PYTHON
      def app(environ, start_response):
          start_response("200 OK", [("Content-Type", "text/plain")])
          return [b"#{text}"]
    PYTHON
  end

  def self.rackup(line)
    "#{line}\nrun ->(_) { [200, { 'content-type' => 'text/plain' }, ['hello']] }\n"
  end

  def setup
    @position = server.log.position
  end

  def test_the_first_request_gets_the_report_about_an_import_error_of_gunicorns_worker
    needs("gunicorn")
    page = assert_status(500, client("broken.test").get("/", "Accept" => "text/html")).body
    shown = CGI.unescapeHTML(page)
    assert_match(/A module is not installed/, shown)
    assert_match(/-m pip install nosuch/, shown)
    told = server.log.wait_for(/event=spawn\.failed app="#{root('broken.test')}.*/, from: @position)
    assert_match(/status 3 before it accepted a connection on .*No module named 'nosuch'/, told)
    assert_status 500, client("broken.test").get("/")
  end

  def test_an_import_error_of_gunicorn_on_a_port_is_no_502
    needs("gunicorn")
    assert_equal ["500"], Array.new(3) { client("broken_tcp.test").get("/").code }.uniq
  end

  def test_a_request_waits_for_a_worker_that_loads_for_long
    needs("gunicorn")
    assert_equal "late", assert_status(200, client("slow.test").get("/")).body
  end

  def test_a_version_with_an_import_error_does_not_replace_the_one_that_serves
    needs("gunicorn")
    site = client("deployed.test")
    assert_equal "one", assert_status(200, site.get("/")).body
    answers = SteadyLoad.during(site) do
      deploy("deployed.test", BROKEN)
      server.log.wait_for(/event=spawn\.failed app="#{root('deployed.test')}.*nosuch/,
                          from: @position)
      sleep 1
    end
    assert_equal [[200, "one"]], answers.map { |answer| [answer.code, answer.body] }.uniq
    answers = SteadyLoad.during(site) do
      deploy("deployed.test", self.class.saying("two, which is longer"))
      eventually("the repaired version") { site.get("/").body == "two, which is longer" }
    end
    assert_equal [200], answers.map(&:code).uniq
  end

  def test_unicorn_is_served_on_its_port
    needs("unicorn")
    assert_equal "hello", assert_status(200, client("unicorn.test").get("/")).body
  end

  # It starts a worker again for each one that fails, so that it never ends.
  def test_the_report_about_a_server_whose_workers_fail_again_and_again
    needs("unicorn")
    page = assert_status(500, client("broken_unicorn.test").get("/", "Accept" => "text/html")).body
    shown = CGI.unescapeHTML(page)
    assert_match(/does not find the library "nosuch"/, shown)
    assert_match(/has listened on 127\.0\.0\.1 port \d+, but has accepted no connection/, shown)
    assert_match(/accepted no connection after .*, 15 seconds/, shown)
    assert_match(/why the workers did not load it/, shown)
  end

  private

  def needs(program)
    skip "there is no #{program} (Debian: #{program})" unless AVAILABLE.include?(program)
  end

  def deploy(name, text)
    File.write(File.join(root(name), "main.py"), text)
    FileUtils.touch(File.join(root(name), "tmp/restart.txt"))
  end

  def root(name)
    server.configuration.sites.find { |one| one.name == name }.root
  end
end
