# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"

# PassengerOnEvent: a command that the agent runs when something is wrong with an application.
class OnEventTest < IntegrationTest
  FAILING = %(raise 'cannot start: "quoted" $(id) `id`')
  # More than PassengerOnEvent gives a command.
  LONG = 600

  def setup
    @folder = scratch
    File.chmod(0o755, @folder)
    # The command's user writes into it.
    @written = File.join(@folder, "written")
    FileUtils.touch(@written)
    File.chmod(0o666, @written)
  end

  def test_a_start_that_fails_runs_the_command_with_the_event_in_its_environment
    serving("echo \"one line\"; echo another >&2; readlink /proc/self/fd/0; #{report}") do |server|
      assert_status 500, server.client("failing.test").get("/")
      variables = variables_of("spawn.failed")
      app = server.configuration.sites.find { |site| site.name == "failing.test" }.root
      assert_equal "#{app} (production)", variables["PASSENGER_APP"]
      assert_match(/\A\h{8}\z/, variables["PASSENGER_REPORT"])
      assert_includes variables["PASSENGER_ERROR"], 'cannot start: "quoted" $(id) `id`'
      assert variables["PASSENGER_TEXT"].start_with?("event=spawn.failed app=\"#{app}")
      assert_equal default_user, variables["USER_ID"]
      ["one line", "another", "/dev/null"].each do |line|
        server.log.wait_for(/event=event_command\.output pid=\d+ text="#{line}"/)
      end
      started = server.log.wait_for(/event=event_command\.started/)
      assert_match(/app="#{app} \(production\)" pid=\d+ trigger=spawn\.failed/, started)
    end
  end

  def test_a_repeated_event_of_an_application_runs_it_once
    serving(report) do |server|
      2.times do |number|
        assert_status 500, server.client("failing.test").get("/")
        eventually("failure #{number}") { server.log.count(/event=spawn\.failed/) > number }
        touch(server, "failing.test")
      end
      assert_status 500, server.client("other.test").get("/")
      eventually("the other application") { runs.size == 2 }
      assert_equal 2, runs.map { |one| one["PASSENGER_APP"] }.uniq.size
    end
  end

  def test_a_broken_deploy_runs_it
    serving(report) do |server|
      assert_status 200, server.client("good.test").get("/")
      root = server.configuration.sites.find { |site| site.name == "good.test" }.root
      File.write(File.join(root, "config.ru"), FAILING)
      touch(server, "good.test")
      assert_status 200, server.client("good.test").get("/")
      assert_match(/\A\h{8}\z/, variables_of("deploy.failed")["PASSENGER_REPORT"])
    end
  end

  # Each request kills its instance.
  def test_a_crash_loop_runs_it
    dying = SampleApps.written("run ->(_) { Process.kill(:KILL, Process.pid) }\n")
    serving(report, "dying.test" => dying) do |server|
      variables = eventually("a run for app.unstable", within: 60) do
        assert_includes %w[500 502], server.client("dying.test").get("/").code
        runs.find { |one| one["PASSENGER_EVENT"] == "app.unstable" }
      end
      assert_equal "#{dying} (production)", variables["PASSENGER_APP"]
      assert_match(/\A\h{8}\z/, variables["PASSENGER_REPORT"])
      assert_equal 1, server.log.count(/event=event_command\.started .*trigger=app\.unstable/)
    end
  end

  # A command has ten seconds, so at most one of these applications is taken in this time.
  def test_events_that_find_too_many_waiting_are_counted
    apps = (1..24).to_h { |number| ["f#{number}.test", SampleApps.written(FAILING)] }
    serving("#{report}; sleep #{LONG}", apps) do |server|
      apps.keys.map { |site| Thread.new { server.client(site).get("/").code } }.each(&:value)
      line = server.log.wait_for(/event=event_command\.dropped events=\d+ .*/, within: 60)
      # A slow start is tried again for the requests that wait, and fails again.
      failures = server.log.count(/event=spawn\.failed/)
      assert_includes 1..failures - 16, Integer(line[/events=(\d+)/, 1])
      assert_includes line, 'reason="the commands before it took too long"'
    end
  end

  def test_a_command_that_cannot_be_started_is_told_and_hinders_nothing
    needs_root("only root may give it a user")
    user = MadeUsers.make("pt#{Process.pid}gone")
    serving(report, {}, "PassengerDefaultUser" => user.name) do |server|
      # The agent may run as this user.
      MadeUsers.run("userdel", "--force", user.name)
      assert_status 500, server.client("failing.test").get("/")
      server.log.wait_for(/event=event_command\.failed error=.*#{user.name}.* does not exist/)
      assert_status 200, server.client("good.test").get("/")
      assert_empty runs
    end
  ensure
    FileUtils.rm_rf(user.home) if user
  end

  def test_a_full_queue_runs_it
    serving(report) do |server|
      site = "full.test"
      eventually("an instance") { server.client(site).get("/hello").code == "200" }
      asked = Array.new(6) { Thread.new { server.client(site).get("/slow?seconds=2").code } }
      assert_includes asked.map(&:value), "503"
      assert_operator Integer(variables_of("queue.full")["PASSENGER_REFUSED"]), :>=, 1
      server.log.wait_for(/event=queue\.full app="[^"]*" refused=\d+ seconds=1\d/)
    end
  end

  def test_a_command_that_hangs_is_killed_with_its_group_and_delays_nobody
    hanging = "#{report}; trap '' TERM; sleep #{LONG} & sleep #{LONG}"
    serving(hanging) do |server|
      assert_status 500, server.client("failing.test").get("/")
      first = eventually("two processes that sleep") do
        sleeping(server).map(&:pid).then { |pids| pids if pids.size == 2 }
      end
      assert_status 500, server.client("other.test").get("/")
      assert_status 200, server.client("good.test").get("/")
      count = runs.size
      # On a busy machine the first command's time may be over by now.
      assert_equal 1, count, "commands that ran at once" if sleeping(server).map(&:pid) == first
      eventually("the next command", within: 60) { runs.size == 2 }
      assert_empty first & sleeping(server).map(&:pid)
      server.log.wait_for(/event=event_command\.failed pid=\d+ error="it took too long, and was /)
    end
  end

  def test_a_reload_brings_another_command_or_none
    serving(nil) do |server|
      server.graceful { |made| made.set("PassengerOnEvent", command(report)) }
      assert_status 500, server.client("failing.test").get("/")
      variables_of("spawn.failed")
      server.graceful { |made| made.set("PassengerOnEvent", nil) }
      assert_status 500, server.client("other.test").get("/")
      server.log.wait_for(/event=spawn\.failed app="#{server.configuration.sites.last.root} /)
      assert_equal 1, runs.size
    end
  end

  private

  # apps: further sites, each with its folder.
  def serving(script, apps = {}, settings = {}, &block)
    made = configuration do |one|
      settings.each { |name, value| one.set(name, value) }
      apps.each { |site, folder| one.site(site, folder) }
      one.set("PassengerOnEvent", script && command(script))
      one.site("good.test", SampleApps.written(SampleApps.saying("good")))
      one.site("full.test", SampleApps.rack,
               "PassengerMaxInstances 1\nPassengerMaxRequestQueueSize 1\n")
      one.site("failing.test", SampleApps.written(FAILING))
      one.site("other.test", SampleApps.written(FAILING))
    end
    with_server(made, &block)
  end

  # A file, since httpd's configuration has another way with quotes.
  def command(script)
    path = File.join(@folder, "command")
    File.write(path, "#{script}\n")
    %("/bin/sh #{path}")
  end

  # Shell text that writes the variables; "end" says that they are complete.
  def report
    "{ env | grep ^PASSENGER_; echo USER_ID=$(id -u); echo end; } >>#{@written}"
  end

  # The variables of each run that has written all of them.
  def runs
    File.read(@written).scan(/.*?^end\n/m)
      .map { |text| text.lines(chomp: true).to_h { |line| [*line.split("=", 2), ""].first(2) } }
  end

  def variables_of(event)
    eventually("a run for #{event}", within: 60) do
      runs.find { |one| one["PASSENGER_EVENT"] == event }
    end
  end

  def sleeping(server)
    server.tree.matching(/\Asleep #{LONG}\b/)
  end

  def default_user
    (Process.uid.zero? ? Process::UID.from_name("nobody") : Process.uid).to_s
  end

  def touch(server, name)
    root = server.configuration.sites.find { |site| site.name == name }.root
    FileUtils.mkdir_p(File.join(root, "tmp"))
    FileUtils.touch(File.join(root, "tmp/restart.txt"))
  end
end
