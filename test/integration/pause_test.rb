# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# passenger-config pause and resume: requests wait, and none is lost.
class PauseTest < IntegrationTest
  include CommandRunner

  serve do |made|
    made.site("blog.test", SampleApps.rack, <<~CONF)
      PassengerMaxInstances 1
      <Location /health>
        SetHandler passenger-health
      </Location>
    CONF
    made.site("target.test", SampleApps.written("run ->(_) { sleep 0.05; [200, {}, []] }\n"),
              "PassengerMaxInstances 1\nPassengerQueueTarget 200ms\n" \
              "PassengerMaxRequestQueueSize 50\n")
    made.site("http.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
  end

  def setup
    %w[blog http].each do |name|
      assert_status 200, get(name)
      eventually("one idle instance") do
        app(name)&.fetch("instances")&.map { |one| one.values_at("state", "sessions") } ==
          [["serving", 0]]
      end
    end
  end

  def test_requests_wait_while_the_queue_is_paused
    %w[blog http].each do |name|
      assert_match(/^Requests of .* wait, for 60 s at most$/, pause(name))
      answer = Thread.new { get(name) }
      eventually("a request that waits") { app(name).dig("queue", "waiting") == 1 }
      told = app(name)
      assert_equal ["paused", 1], [told["state"], told["instances"].size]
      assert_includes 50..60, told.dig("queue", "paused_for")
      resume(name)
      assert_status 200, answer.value
      eventually("the state") { app(name)["state"] == "serving" }
    end
  end

  def test_a_target_of_the_queue_does_not_count_in_a_pause
    assert_status 200, get("target")
    pause("target")
    answers = Array.new(20) do
      sleep 0.1
      Thread.new { get("target").code }
    end
    eventually("requests that wait") { app("target").dig("queue", "waiting") == 20 }
    resume("target")
    assert_equal ["200"], answers.map(&:value).uniq
    assert_status 200, get("target")
  end

  def test_a_pause_waits_for_requests_in_work
    path = fifo
    slow = Thread.new { get("blog", "/wait?fifo=#{path}") }
    eventually("the request in work") { app("blog")["instances"].first["sessions"] == 1 }
    assert_fails 3, /1 request is in work/, CONFIG, "pause", root("blog"), "--wait=0.3"
    release(path)
    assert_status 200, slow.value
    pause("blog")
    resume("blog")
  end

  def test_a_pause_that_ends_while_it_waits_for_requests_is_no_success
    path = fifo
    slow = Thread.new { get("blog", "/wait?fifo=#{path}") }
    eventually("the request in work") { app("blog")["instances"].first["sessions"] == 1 }
    waits = Thread.new { command(CONFIG, "pause", root("blog"), "--wait=20") }
    eventually("the pause") { app("blog")["state"] == "paused" }
    resume("blog")
    _, errors, status = waits.value
    assert_equal 3, status
    assert_match(/the pause of \S+ \(production\) has ended before its requests did/, errors)
    release(path)
    assert_status 200, slow.value
  end

  def test_balancers_send_requests_elsewhere_during_a_pause
    pause("blog")
    response = assert_status 503, get("blog", "/health")
    assert_match(/\Athe application \S+ \(production\) #\h+ is paused\n\z/, response.body)
    assert_match(/\A[1-9]\d*\z/, response["Retry-After"])
    resume("blog")
    assert_equal "healthy\n", assert_status(200, get("blog", "/health")).body
  end

  # As a deployment with a migration does it.
  def test_a_new_version_that_starts_in_a_pause_takes_no_request_before_its_end
    old = server.client("blog.test").pid
    pause("blog")
    answers = Array.new(3) { Thread.new { server.client("blog.test").pid } }
    eventually("requests that wait") { app("blog").dig("queue", "waiting") == 3 }
    succeed(CONFIG, "restart-app", root("blog"), "--wait=60")
    fresh = eventually("the new instance") do
      pids = app("blog")["instances"].map { |one| one["pid"] }
      pids.first if pids.size == 1 && pids.first != old
    end
    eventually("the requests in the new queue") { app("blog").dig("queue", "waiting") == 3 }
    assert_nil answers.first.join(0.5), "none is taken"
    resume("blog")
    assert_equal [fresh], answers.map(&:value).uniq
  end

  def test_a_pause_ends_by_itself
    succeed(CONFIG, "pause", root("blog"), "--limit=1")
    assert_status 200, get("blog")
    server.log.wait_for(/event=queue.resumed app=.* reason="its time is over"/)
    name = app("blog")["name"]
    assert_equal "Requests of #{name} did not wait any more: " \
                 "the pause had ended, or there was none\n",
                 succeed(CONFIG, "resume", root("blog"))
    assert_equal({ "status" => 0, "applications" => [name], "ended" => [name] },
                 JSON.parse(succeed(CONFIG, "resume", root("blog"), "--json")))
  end

  def test_a_pause_outlives_a_crash_of_the_pool_process
    pause("blog")
    answer = Thread.new { get("blog") }
    eventually("a request that waits") { app("blog").dig("queue", "waiting") == 1 }
    Process.kill(:KILL, server.tree.matching(/passenger-agent pool/).first.pid)
    eventually("the next pool process") do
      found = app("blog") and
        found.values_at("state").first == "paused" && found.dig("queue", "waiting") == 1
    rescue Minitest::Assertion
      nil # No agent answers at this moment.
    end
    assert_nil answer.join(0.5), "the request waits"
    resume("blog")
    assert_status 200, answer.value
  end

  # The next pool process has not made the application yet.
  def test_an_application_is_paused_between_a_crash_and_its_next_request
    before = pid("blog")
    kill_pool_process
    pause("blog")
    assert_equal "paused", app("blog")["state"]
    answer = Thread.new { server.client("blog.test").pid }
    eventually("a request that waits") { app("blog").dig("queue", "waiting") == 1 }
    assert_nil answer.join(0.5), "the request waits"
    resume("blog")
    assert_equal before, answer.value
  end

  # No instance has survived either.
  def test_balancers_send_requests_elsewhere_after_a_crash_before_the_first_request
    name = app("blog")["name"]
    pause("blog")
    pool = server.tree.matching(/passenger-agent pool/).first.pid
    Process.kill(:KILL, pool, pid("blog"))
    eventually("the next pool process") do
      assert_status 503, get("blog", "/health")
      status, = command(STATUS, "--show=json")
      !status.empty? && JSON.parse(status)["pool_pid"] != pool
    end
    response = assert_status 503, get("blog", "/health")
    assert_match(/\Athe application \S+ \(production\) #\h+ is paused\n\z/, response.body)
    # The killed instance waits for its adoption until the agent has seen its end.
    told = eventually("no instance") do
      app("blog").then { |found| found if found["instances"].empty? }
    end
    assert_equal "paused", told["state"]
    assert_includes 1..60, told.dig("queue", "paused_for")
    assert_includes succeed(CONFIG, "restart-app", "--name", name, "--wait=20"),
                    "#{name} has no instance; its next request starts the new version\n"
    succeed(CONFIG, "resume", "--name", name)
    assert_status 200, get("blog", "/health")
  end

  # As when the package is upgraded.
  def test_drains_and_pauses_pass_to_the_agent_that_takes_the_place_of_another
    needs_root("to have applications of another user")
    with_server(two_apps) do |server|
      %w[blog shop].each { |name| assert_status 200, server.client("#{name}.test").get("/") }
      succeed(CONFIG, "drain", root("shop"))
      pause("blog", "--limit=300")
      server.graceful { |one| one.set("PassengerDefaultUser", TestEnvironment.web_user) }
      server.log.wait_for(/event=agent\.replaced/)
      assert_equal [503, 503], health(server)
      answer = Thread.new { server.client("blog.test").get("/") }
      eventually("a request that waits") { app("blog").dig("queue", "waiting") == 1 }
      assert_includes 61..300, app("blog").dig("queue", "paused_for")
      resume("blog")
      assert_status 200, answer.value
      succeed(CONFIG, "undrain", root("shop"))
      assert_equal [200, 200], health(server)
      kill_pool_process
      assert_equal [200, 200], health(server)
      succeed(CONFIG, "drain", "--all")
      server.graceful { |one| one.set("PassengerDefaultUser", TestEnvironment::OTHER_USER) }
      assert_equal [503, 503], health(server)
    end
  end

  # The reload that corrects the configuration unloads the module, which has asked the old agent.
  def test_drains_and_pauses_wait_for_an_agent_that_does_not_start_before_another_reload
    with_server(two_apps) do |server|
      %w[blog shop].each { |name| assert_status 200, server.client("#{name}.test").get("/") }
      name = app("blog")["name"]
      succeed(CONFIG, "drain", root("shop"))
      pause("blog", "--limit=300")
      server.graceful { |one| one.set("PassengerRoot", broken_root) }
      server.log.wait_for(/event=agent\.not_started/)
      server.graceful { |one| one.set("PassengerRoot", TestEnvironment::PASSENGER_ROOT) }
      assert_equal [503, 503], health(server)
      assert_equal "paused", app("blog")["state"]
      assert_equal "Requests of #{name} are taken again\n", succeed(CONFIG, "resume", root("blog"))
      assert_status 200, server.client("blog.test").get("/")
    end
  end

  # Requests of the old agent's children are in its queue.
  def test_an_agent_of_before_a_reload_pauses_and_resumes_too
    needs_root("to have applications of another user")
    with_server(two_apps) do |server|
      assert_status 200, server.client("blog.test").get("/")
      path = fifo
      slow = Thread.new { server.client("blog.test").get("/wait?fifo=#{path}") }
      eventually("the request in work") { app("blog")["instances"].first["sessions"] == 1 }
      succeed(CONFIG, "pause", root("blog"))
      answer = Thread.new { server.client("blog.test").get("/") }
      eventually("a request that waits") { app("blog").dig("queue", "waiting") == 1 }
      server.graceful { |one| one.set("PassengerDefaultUser", TestEnvironment.web_user) }
      server.log.wait_for(/event=agent\.replaced/)
      assert_fails 3, /1 request is in work/, CONFIG, "pause", root("blog"), "--wait=0.5"
      release(path)
      assert_status 200, slow.value
      assert_nil answer.join(0.5), "the request waits"
      resume("blog")
      assert_status 200, answer.value
    end
  end

  def test_a_pause_waits_for_the_next_pool_process_of_an_agent_of_before_a_reload
    needs_root("to have applications of another user")
    with_server(two_apps) do |server|
      path = fifo
      slow = Thread.new { server.client("blog.test").get("/wait?fifo=#{path}") }
      eventually("the request in work") { app("blog")&.dig("instances", 0, "sessions") == 1 }
      watchdog, pool = %w[watchdog pool].map do |name|
        server.tree.matching(/passenger-agent #{name}/).first.pid
      end
      server.graceful { |one| one.set("PassengerDefaultUser", TestEnvironment.web_user) }
      server.log.wait_for(/event=agent\.replaced/)
      assert_status 200, server.client("blog.test").get("/")
      Process.kill(:STOP, watchdog)
      Process.kill(:KILL, pool)
      paused = Thread.new { command(CONFIG, "pause", root("blog")) }
      paused.join(2)
      Process.kill(:CONT, watchdog)
      assert_equal ["", 0], paused.value.drop(1)
      resume("blog")
      release(path)
      assert_status 200, slow.value
    end
  end

  # The agent knows the application only by its drain, and so cannot pause it.
  def test_an_agent_of_before_a_reload_that_has_forgotten_an_application_fails_no_pause
    needs_root("to have applications of another user")
    with_server(two_apps) do |server|
      assert_status 200, server.client("shop.test").get("/")
      succeed(CONFIG, "drain", root("shop"))
      pool = server.tree.matching(/passenger-agent pool/).first.pid
      Process.kill(:KILL, pool, pid("shop"))
      path = fifo
      slow = Thread.new { server.client("blog.test").get("/wait?fifo=#{path}") }
      eventually("the end of the instance") { app("shop")&.fetch("instances") == [] }
      eventually("the request in work") { app("blog")&.dig("instances", 0, "sessions") == 1 }
      old = pid("blog")
      server.graceful { |one| one.set("PassengerDefaultUser", TestEnvironment.web_user) }
      server.log.wait_for(/event=agent\.replaced/)
      eventually("an instance of the new agent") do
        assert_status 200, server.client("blog.test").get("/")
        app("blog")&.dig("instances", 0, "pid").then { |fresh| fresh && fresh != old }
      end
      assert_status 200, server.client("shop.test").get("/")
      succeed(CONFIG, "pause", root("shop"), "--wait=20")
      resume("shop")
      release(path)
      assert_status 200, slow.value
    end
  end

  def test_bad_pauses_are_refused
    assert_fails 1, /a pause of 3601 seconds is not possible: 1 to 3600 are/,
                 CONFIG, "pause", root("blog"), "--limit=3601"
    assert_fails 1, /--wait is longer than --limit \(60 s\)/,
                 CONFIG, "pause", root("blog"), "--wait=61"
    assert_fails 1, /no application/i, CONFIG, "pause", "/nowhere"
    assert_fails 1, /name the applications in one way/, CONFIG, "pause"
  end

  private

  HEALTH = "<Location /health>\nSetHandler passenger-health\n</Location>\n"
  private_constant :HEALTH

  def two_apps
    configuration do |made|
      %w[blog shop].each { |name| made.site("#{name}.test", SampleApps.rack, HEALTH) }
    end
  end

  # A PassengerRoot whose program ends at once.
  def broken_root
    SampleApps.new_folder.tap do |folder|
      FileUtils.ln_s(Dir[File.join(TestEnvironment::PASSENGER_ROOT, "*")], folder)
      File.unlink(File.join(folder, "passenger-agent"))
      File.write(File.join(folder, "passenger-agent"), "#!/bin/sh\nexit 1\n", perm: 0o755)
    end
  end

  # What the health URLs of both answer.
  def health(server)
    %w[blog shop].map { |name| server.client("#{name}.test").get("/health").code.to_i }
  end

  def get(name, path = "/")
    server.client("#{name}.test").get(path)
  end

  # Waits until the instance takes no request any more.
  def pause(name, *options)
    succeed(CONFIG, "pause", root(name), "--wait=20", *options)
  end

  def resume(name)
    assert_equal "Requests of #{root(name)} (production) are taken again\n",
                 succeed(CONFIG, "resume", root(name))
  end
end
