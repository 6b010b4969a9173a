# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# New versions of an application under load, and versions that do not start.
class DeployTest < IntegrationTest
  BROKEN = "raise 'this version is broken'\n"
  RAILS_INSTANCES = 2
  PYTHON = "/usr/bin/python3"

  serve do |made|
    made.site("rolling.test", SampleApps.written(SampleApps.saying("version 1")),
              "PassengerMinInstances 2\n")
    made.site("single.test", SampleApps.written(SampleApps.saying("version 1")),
              "PassengerMaxInstances 1\n")
    made.site("queueing.test", SampleApps.written(SampleApps.saying("version 1")))
    made.site("abrupt.test", SampleApps.written(SampleApps.saying("version 1")),
              "PassengerRollingRestarts Off\n")
    made.site("yielding.test", SampleApps.written(SampleApps.saying("version 1")),
              "PassengerRollingRestarts On\nPassengerResistDeploymentErrors Off\n")
    made.site("python.test", SampleApps.written(python("old"), "passenger_wsgi.py"),
              "PassengerPython #{PYTHON}\nPassengerSpawnMethod direct\n")
    made.site("rails.test", SampleApps.rails, "PassengerMinInstances #{RAILS_INSTANCES}\n" \
                                              "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def self.python(text)
    <<~PYTHON
      def application(environ, start_response):
          start_response("200 OK", [])
          return [b"#{text}"]
    PYTHON
  end

  def setup
    @position = server.log.position
  end

  def test_a_version_that_does_not_start_leaves_the_old_one_serving_until_a_corrected_one_comes
    assert_survives_a_broken_version("rolling.test")
  end

  def test_a_version_that_does_not_start_leaves_a_single_instance_serving
    assert_survives_a_broken_version("single.test")
  end

  def test_a_version_whose_hooks_fail_leaves_a_single_instance_serving
    old = client("single.test").get("/").body
    hook = "PhusionPassenger.on_event(:starting_worker_process) { raise 'no base' }\n"
    deploy("single.test", hook + SampleApps.saying("without a base"))
    server.log.wait_for(/event=deploy\.failed/, from: @position)
    assert_equal old, client("single.test").get("/").body
  end

  # Nothing but its last instance has the old version.
  def test_the_last_instance_of_a_version_whose_successor_failed_outlives_the_idle_time
    root = SampleApps.written(SampleApps.saying("old"))
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 1)
      one.set("PassengerMinInstances", 0)
      one.site("direct.test", root, "PassengerSpawnMethod direct\n")
      one.site("other.test", SampleApps.rack)
    end
    with_server(made) do |server|
      server.client("direct.test").get("/")
      File.write(File.join(root, "config.ru"), BROKEN)
      touch(root)
      server.log.wait_for(/event=deploy\.failed/)
      2.times do
        position = server.log.position
        pid = server.client("other.test").pid
        server.log.wait_for(/event=instance\.idle .* pid=#{pid}/, from: position)
      end
      assert_equal "old", server.client("direct.test").get("/").body
    end
  end

  def test_with_rolling_restarts_no_request_waits_for_the_new_version
    warm("rolling.test")
    position = server.log.position
    path = fifo
    began = nil
    answers = SteadyLoad.during(client("rolling.test"), threads: 3) do |load|
      deploy("rolling.test", "File.open(#{path.dump}, 'r+', &:gets)\n" \
                             "#{SampleApps.saying('slow to start')}")
      eventually("the new version starts") do
        server.tree.processes.any? { |process| process.descriptors.value?(path) }
      end
      began = Eventually.monotonic
      eventually("answers meanwhile") { load.answers.count { |answer| answer.asked > began } > 20 }
      2.times { release(path) }
      load.wait_for("the new version") { |answer| answer.body == "slow to start" }
    end
    assert_all_answered answers
    waited = answers.select { |answer| answer.asked <= began && answer.body == "slow to start" }
    assert_empty waited, "requests that waited for the new version"
    done = /event=deploy\.done app=".*" version=(\d+) ms=(\d+)$/
    version, took = server.log.wait_for(done, from: position).match(done).captures
    # That of the version before may come late.
    answered = /event=deploy\.answered app=".*" version=#{version} first_request=(\d+)$/
    first = server.log.wait_for(answered, from: position)[answered, 1]
    assert_operator first.to_i, :>=, took.to_i, "milliseconds"
  end

  # For a moment the user may have no further process.
  def test_a_shortage_of_processes_costs_no_new_version
    warm("queueing.test")
    spawn_server = eventually("the spawn server") { server.tree.spawn_servers.first }
    before = File.read("/proc/#{spawn_server.pid}/limits")[/^Max processes +(\w+)/, 1]
    ProcessInfo.limit(spawn_server.pid, "nproc", 1)
    deploy("queueing.test", SampleApps.saying("after the shortage"))
    server.log.wait_for(/event=spawn\.failed .*fork/, from: @position)
    assert_status 200, client("queueing.test").get("/")
    ProcessInfo.limit(spawn_server.pid, "nproc", before)
    eventually("the new version") do
      client("queueing.test").get("/").body == "after the shortage"
    end
    assert_empty server.log.text(@position).scan(/event=deploy\.failed.*/)
  ensure
    ProcessInfo.limit(spawn_server.pid, "nproc", before)
  end

  def test_a_version_that_can_make_no_threads_leaves_the_old_one_serving
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)

    warm("python.test")
    none = "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\n"
    deploy("python.test", none + self.class.python("new"), "passenger_wsgi.py")
    report = server.log.wait_for(/event=deploy\.failed/, from: @position)[/report=(\h+)/, 1]
    server.log.wait_for(/report=#{report} .*can't start new thread/, from: @position)
    server.log.wait_for(/report=#{report} Remedy: .*TasksMax=/, from: @position)
    assert_equal "old", client("python.test").get("/").body
    deploy("python.test", self.class.python("corrected"), "passenger_wsgi.py")
    eventually("the corrected version") { client("python.test").get("/").body == "corrected" }
  end

  def test_no_request_waits_behind_a_slow_request_of_the_old_version
    path = fifo
    gated = "run proc { |env| File.open(#{path.dump}, 'r+', &:gets) if env['PATH_INFO'] == " \
            "'/slow'\n" \
            "  [200, { 'Content-Type' => 'text/plain' }, ['old']] }\n"
    deploy("queueing.test", gated)
    eventually("the version to start with") { client("queueing.test").get("/").body == "old" }
    slow = Thread.new { client("queueing.test").get("/slow").body }
    eventually("the instance is busy") do
      server.tree.processes.any? { |process| process.descriptors.value?(path) }
    end
    position = server.log.position
    deploy("queueing.test", "sleep 1\n#{SampleApps.saying('new')}")
    server.log.wait_for(/event=app\.restart/, from: position)
    waiting = Array.new(5) { Thread.new { client("queueing.test").get("/").body } }
    assert_equal ["new"] * 5, waiting.map(&:value)
    assert_predicate slow, :alive?
    release(path)
    assert_equal "old", slow.value
  end

  def test_without_rolling_restarts_requests_wait_for_the_new_version
    warm("abrupt.test")
    noticed = nil
    answers = SteadyLoad.during(client("abrupt.test"), threads: 3) do |load|
      deploy("abrupt.test", "sleep 1\n#{SampleApps.saying('waited for')}")
      server.log.wait_for(/event=app\.restart/, from: @position)
      noticed = Eventually.monotonic
      load.wait_for("an answer to a later request") { |answer| answer.asked > noticed }
    end
    assert_all_answered answers
    assert_equal ["waited for"], answers.select { |answer| answer.asked > noticed }.map(&:body).uniq
  end

  def test_without_rolling_restarts_a_broken_version_is_an_error_page_until_a_corrected_one_comes
    warm("abrupt.test")
    deploy("abrupt.test", BROKEN)
    page = eventually("the error page") do
      client("abrupt.test").get("/").then { |page| page if page.code == "500" }
    end
    report = page.body[/Report: (\h+)/, 1]
    server.log.wait_for(/report=#{report} .*this version is broken/, from: @position)
    deploy("abrupt.test", SampleApps.saying("corrected"))
    eventually("the corrected version") { client("abrupt.test").get("/").body == "corrected" }
  end

  def test_without_resistance_a_broken_version_ends_the_old_one_until_a_corrected_one_comes
    warm("yielding.test")
    deploy("yielding.test", BROKEN)
    eventually("the error page") { client("yielding.test").get("/").code == "500" }
    server.log.wait_for(/event=deploy\.failed/, from: @position)
    5.times { assert_equal "500", client("yielding.test").get("/").code, "no old instance" }
    deploy("yielding.test", SampleApps.saying("corrected"))
    eventually("the corrected version") { client("yielding.test").get("/").body == "corrected" }
  end

  def test_rails_is_deployed_under_load_and_no_request_fails
    eventually("instances") do
      client("rails.test").get("/plain").code == "200" && rails.size == RAILS_INSTANCES
    end
    old = rails
    answers = SteadyLoad.during(client("rails.test"), "/plain", threads: 3) do
      touch(server.configuration.sites.find { |site| site.name == "rails.test" }.root)
      eventually("all are new", every: 0.2) do
        (rails & old).empty? && rails.size >= RAILS_INSTANCES
      end
    end
    assert_all_answered answers
  end

  private

  def assert_survives_a_broken_version(site)
    deploy(site, SampleApps.saying("old"))
    eventually("the version to start with") { client(site).get("/").body == "old" }
    answers = SteadyLoad.during(client(site), threads: 3) do |load|
      deploy(site, BROKEN)
      report = server.log.wait_for(/event=deploy\.failed/, from: @position)[/report=(\h+)/, 1]
      server.log.wait_for(/report=#{report} .*this version is broken/, from: @position)
      load.wait_for("an answer of the old version") { |answer| answer.body == "old" }
      deploy(site, SampleApps.saying("corrected"))
      load.wait_for("the corrected version") { |answer| answer.body == "corrected" }
    end
    assert_all_answered answers
    assert_clean_change answers, "old", "corrected"
  end

  # A request that was sent after an answer of the new version gets no older version.
  def assert_clean_change(answers, old, new)
    assert_equal [old, new].sort, answers.map(&:body).uniq.sort
    seen = answers.select { |answer| answer.body == new }.map(&:answered).min
    late = answers.select { |answer| answer.asked > seen && answer.body == old }
    assert_empty late, "answers of the old version to requests after the new one was seen"
  end

  def assert_all_answered(answers)
    failed = answers.reject { |answer| answer.code == 200 }
    assert_empty failed.first(5), "#{failed.size} of #{answers.size} failed"
  end

  def warm(site)
    eventually("an instance") { client(site).get("/").code == "200" }
  end

  def deploy(site, text, file = "config.ru")
    root = server.configuration.sites.find { |one| one.name == site }.root
    File.write(File.join(root, file), text)
    touch(root)
  end

  def touch(root)
    FileUtils.mkdir_p(File.join(root, "tmp"))
    FileUtils.touch(File.join(root, "tmp/restart.txt"))
  end

  def rails
    server.tree.matching(/RubyApp.*rails_app/).map(&:pid)
  end
end
