# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/prefork_test_case"

# An application that signals its process group (`kill 0`, usual in scripts) reaches no process of
# another application of its user, and none of the module's.
class ProcessGroupsTest < IntegrationTest
  RUBY = <<~APP
    run lambda { |env|
      Process.kill(:KILL, 0) if env["REQUEST_METHOD"] == "POST"
      [200, {}, [Process.pid.to_s]]
    }
  APP
  PYTHON = <<~APP
    import os, signal

    def application(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            os.killpg(0, signal.SIGKILL)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
  APP
  # Each application has a user's spawn server in common with the first one.
  SITES = {
    "smart" => [RUBY, "config.ru", "PassengerSpawnMethod smart\n"],
    "direct" => [RUBY, "config.ru", "PassengerSpawnMethod direct\n"],
    "python-smart" => [PYTHON, "passenger_wsgi.py", "PassengerSpawnMethod smart\n"],
    "python-direct" => [PYTHON, "passenger_wsgi.py", "PassengerSpawnMethod direct\n"]
  }.freeze

  serve do |made|
    made.site("neighbour.test", SampleApps.rack)
    SITES.each do |name, (app, file, directives)|
      made.site("#{name}.test", SampleApps.written(app, file),
                "PassengerPython /usr/bin/python3\n#{directives}")
    end
  end

  SITES.each_key do |name|
    define_method("test_an_application_ends_only_its_own_instance_#{name.tr('-', '_')}") do
      client.pid
      instance = client("#{name}.test").get("/").body.to_i
      others = spawned - [instance]
      assert_status 502, client("#{name}.test").post("/")
      eventually("another instance") { client("#{name}.test").get("/").body.to_i != instance }
      assert_empty others - spawned, server.log.text
    end
  end

  def test_a_bridge_is_in_none_of_the_groups_of_other_processes
    with_server(bridged) do |made|
      2.times { |number| made.client("bridged#{number}.test").get("/") }
      pids = made.tree.matching(/\APassenger (bridge|spawn server)/).map(&:pid)
      assert_operator pids.size, :>, 2
      assert_equal pids.size, pids.map { |pid| Process.getpgid(pid) }.uniq.size
    end
  end

  private

  # The spawn server, preloaders and instances.
  def spawned
    server.tree.matching(/\APassenger (spawn server|AppPreloader|\w+App)/).map(&:pid)
  end

  def bridged
    configuration do |made|
      2.times do |number|
        made.site("bridged#{number}.test", SampleApps.written("", "unused"),
                  "PassengerAppStartCommand \"/usr/bin/python3 -m http.server $PORT\"\n")
      end
    end
  end
end

# The same for passenger-prefork.
class PreforkProcessGroupsTest < PreforkTestCase
  def test_a_worker_that_signals_its_process_group_ends_only_itself
    made = command(*fixed(2), app: <<~APP, pgroup: true)
      run lambda { |env|
        Process.kill(:KILL, 0) if env["REQUEST_METHOD"] == "POST"
        [200, {}, [Process.pid.to_s]]
      }
    APP
    before = made.workers
    client = made.raw.request("POST", "/", "Content-Length" => "0")
    made.wait_for_log(/event=prefork\.worker_died/)
    eventually("two workers again") { made.workers.size == 2 && made.workers != before }
    refute made.ended?
    assert_equal 1, (made.workers & before).size
  ensure
    client&.close
  end
end
