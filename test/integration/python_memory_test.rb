# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"

# A Python application needs more memory than it may have: by a limit of its process (RLIMIT_AS), or
# by its control group.
class PythonMemoryTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  MEGABYTES = 200
  # Takes so many megabytes, and writes to all of them.
  GREEDY = <<~'PYTHON'
    import os

    def take(megabytes):
        return len(os.urandom(1 << 20) * megabytes)

    def application(environ, start_response):
        taken = take(1000) if environ["PATH_INFO"] == "/take" else 0
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % taken]
  PYTHON
  AT_ONCE = "#{GREEDY}\ntake(1000)\n".freeze
  LIMIT = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))\n"

  serve do |made|
    made.set("PassengerMaxPoolSize", 8)
    own = "PassengerPython #{PYTHON}\nPassengerSpawnMethod direct\n"
    sites = { "limited" => LIMIT + GREEDY, "limited-start" => LIMIT + AT_ONCE }
    sites.each do |site, code|
      made.site("#{site}.test", SampleApps.written(code, "passenger_wsgi.py"), own)
    end
    if TestEnvironment.root?
      { "group" => GREEDY, "group-start" => AT_ONCE }.each do |site, code|
        folder = SampleApps.written(code, "passenger_wsgi.py")
        made.site("#{site}.test", TestEnvironment.hand_over(folder, MadeUsers["b"].name),
                  "#{own}PassengerMemoryMax #{MEGABYTES}\n")
      end
    end
  end

  def setup
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
    @position = server.log.position
  end

  def test_a_request_beyond_the_limit_of_the_process_fails_alone
    assert_status 200, client("limited.test").get("/")
    assert_status 500, client("limited.test").get("/take")
    server.log.wait_for(/event=request\.failed .*exception="MemoryError"/, from: @position)
    assert_status 200, client("limited.test").get("/")
    refute_match(/event=instance\.exited app="#{root('limited.test')}/, server.log.text)
  end

  def test_the_report_of_a_start_beyond_the_limit_of_the_process_names_it
    assert_status 500, client("limited-start.test").get("/")
    server.log.wait_for(/event=spawn\.failed .*MemoryError/, from: @position)
    server.log.wait_for(/a limit on memory is too low/, from: @position)
  end

  def test_a_request_beyond_the_limit_of_the_group_ends_its_instance
    needs_limits("group.test")
    assert_status 200, client("group.test").get("/")
    assert_status 502, client("group.test").get("/take")
    app = "app=\"#{root('group.test')}"
    server.log.wait_for(/event=instance\.exited #{app}.* signal=9/, from: @position)
    server.log.wait_for(/event=cgroups\.limit_reached #{app}.*PassengerMemoryMax/, from: @position)
    eventually("the next instance") { client("group.test").get("/").code == "200" }
  end

  def test_the_report_of_a_start_beyond_the_limit_of_the_group_names_it
    needs_limits("group-start.test")
    assert_status 500, client("group-start.test").get("/")
    server.log.wait_for(/event=spawn\.failed .*killed by signal 9/, from: @position)
    server.log.wait_for(/The kernel killed the process because .*cgroup had no memory left/,
                        from: @position)
  end

  private

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end

  def needs_limits(site)
    skip "needs root" unless TestEnvironment.root?
    client(site).get("/")
    without = server.log.text[/event=cgroups\.(?:limit_without_effect|off) .*/]
    skip without if without
  end
end
