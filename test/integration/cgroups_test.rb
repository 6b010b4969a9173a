# frozen_string_literal: true

require_relative "support/integration_test"

# Each application's processes are in a control group of their own, and end together. Skipped where
# the system has no control groups for httpd.
class CgroupsTest < IntegrationTest
  # Leaves a daemon behind: another session, and no parent of the application. Answers with its pid.
  DAEMON = <<~'RUBY'
    reader, writer = IO.pipe
    Process.wait(fork do
      Process.setsid
      writer.puts(fork { sleep })
    end)
    DAEMON = reader.gets.to_s
    run proc { [200, {}, [DAEMON]] }
  RUBY
  COMMAND = "PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb\"\n"

  serve do |made|
    made.set("PassengerMaxPoolSize", 12)
    made.site("daemon.test", SampleApps.written(DAEMON))
    made.site("rack.test", SampleApps.rack)
    made.site("http.test", SampleApps.copy("http_app"), COMMAND)
    made.site("limited.test", SampleApps.rack,
              "PassengerMemoryMax 900\nPassengerCpuWeight 50\nPassengerTasksMax 300\n")
  end

  def setup
    needs_groups(server)
  end

  def test_all_processes_of_an_application_are_in_its_group_and_no_others
    daemon = client("daemon.test").get("/").body.to_i
    %w[rack.test http.test].each { |site| assert_status 200, client(site).get("/") }
    groups = server.tree.beside_httpd.group_by { |process| group_of(process.pid) }
    daemons = groups.fetch(group_of(daemon)).map(&:command_line)
    # The daemon has the preloader's title.
    assert_equal [2, 1], [/AppPreloader/, /RubyApp/].map { |title| daemons.grep(title).size }
    http = groups.fetch(group_of(client("http.test").get("/pid").body.to_i)).map(&:command_line)
    assert_equal 1, http.grep(/server\.rb/).size
    assert_equal http.size - 1, http.grep(/\APassenger (bridge|keeper): /).size
    assert_empty groups.fetch(group_of(server.pid)).map(&:command_line).grep(/RubyApp|Preloader/)
  end

  def test_the_groups_of_an_ordinary_users_agent_are_removed
    needs_root "makes a control group of another user"
    made = configuration do |one|
      one.run_as = TestEnvironment::WEB_USER
      one.set("PassengerPoolIdleTime", 1)
      one.site("rack.test", SampleApps.rack,
               "PassengerMinInstances 0\nPassengerMaxPreloaderIdleTime 1\n")
    end
    in_group_of(TestEnvironment::WEB_USER) do |place|
      with_server(made) do |server|
        assert needs_groups(server).start_with?("#{place}/")
        group = File.join(mount, group_of(server.client.pid))
        eventually("the end of the group") { !File.exist?(group) }
      end
      assert_empty Dir.glob("#{place}/*/")
    end
  end

  def test_a_daemon_ends_with_the_last_process_of_its_application
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 1)
      one.site("daemon.test", SampleApps.written(DAEMON),
               "PassengerMinInstances 0\nPassengerMaxPreloaderIdleTime 1\n")
    end
    with_server(made) do |server|
      needs_groups(server)
      daemon = ProcessInfo.read(server.client.get("/").body.to_i)
      group = File.join(mount, group_of(daemon.pid))
      eventually("the end of the daemon") { !daemon.alive? }
      eventually("the end of its group") { !File.exist?(group) }
    end
  end

  def test_a_daemon_stays_while_a_new_version_takes_the_place_of_the_old_one
    app = SampleApps.written(DAEMON)
    made = configuration { |one| one.site("daemon.test", app) }
    with_server(made) do |server|
      needs_groups(server)
      old = ProcessInfo.read(server.client.get("/").body.to_i)
      FileUtils.touch(File.join(app, "tmp/restart.txt"))
      fresh = eventually("the new version") do
        pid = server.client.get("/").body.to_i
        pid != old.pid && pid
      end
      assert_equal group_of(old.pid), group_of(fresh)
    end
  end

  def test_nothing_is_left_after_the_end_of_httpd
    made = configuration { |one| one.site("daemon.test", SampleApps.written(DAEMON)) }
    folder = daemon = nil
    with_server(made) do |server|
      folder = needs_groups(server)
      daemon = ProcessInfo.read(server.client.get("/").body.to_i)
      assert_path_exists folder
      server.stop
    end
    refute daemon.alive?
    refute_path_exists folder
  end

  def test_groups_of_an_agent_that_was_killed_are_removed_by_the_next_one
    made = configuration { |one| one.site("rack.test", SampleApps.rack) }
    with_server(made) do |server|
      old = needs_groups(server)
      assert_status 200, server.client.get("/")
      Process.kill(:KILL, server.tree.matching(/passenger-agent\S* anchor/).first.pid)
      eventually("an answer") { server.client.get("/").code == "200" }
      eventually("the end of the groups") { !File.exist?(old) }
      eventually("the next groups") { needs_groups(server) != old }
    end
  end

  def test_a_group_outlives_the_pool_process_as_long_as_its_application
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 3)
      one.site("daemon.test", SampleApps.written(DAEMON), "PassengerMinInstances 0\n")
    end
    with_server(made) do |server|
      needs_groups(server)
      daemon = ProcessInfo.read(server.client.get("/").body.to_i)
      group = File.join(mount, group_of(daemon.pid))
      kill_pool_process(server)
      adopted = server.client.get("/").body.to_i == daemon.pid
      assert daemon.alive? if adopted
      eventually("the end of the daemon") { !daemon.alive? }
      eventually("the end of the group") { !File.exist?(group) }
    end
  end

  def test_a_group_without_an_instance_does_not_outlive_the_pool_process
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 1)
      one.site("daemon.test", SampleApps.written(DAEMON), "PassengerMinInstances 0\n")
    end
    with_server(made) do |server|
      needs_groups(server)
      daemon = ProcessInfo.read(server.client.get("/").body.to_i)
      eventually("the end of the instance") { server.tree.matching(/RubyApp/).empty? }
      assert daemon.alive?, "the preloader is left"
      kill_pool_process(server)
      eventually("the end of the daemon") { !daemon.alive? }
    end
  end

  def test_an_application_has_the_limits_of_its_directives_or_the_log_says_why_not
    group = File.join(mount, group_of(client("limited.test").pid))
    { "memory.max" => ["PassengerMemoryMax", (900 * 1024 * 1024).to_s],
      "cpu.weight" => %w[PassengerCpuWeight 50],
      "pids.max" => %w[PassengerTasksMax 300] }.each do |file, (directive, value)|
      path = File.join(group, file)
      if File.exist?(path)
        assert_equal value, File.read(path).strip
      else
        server.log.wait_for(/event=cgroups.limit_without_effect app="[^"]*" error="#{directive} .*/)
      end
    end
  end

  private

  # Yields a group of this user, in which servers start meanwhile.
  def in_group_of(user)
    before = File.join(mount, group_of(Process.pid))
    made = File.join(mount, "passenger-test-#{Process.pid}")
    Dir.mkdir(made)
    files = %w[procs subtree_control].map { |one| "#{made}/cgroup.#{one}" }
    FileUtils.chown(user, nil, [made, *files])
    File.write("#{made}/cgroup.procs", Process.pid)
    yield made
  ensure
    File.write("#{before}/cgroup.procs", Process.pid)
    Dir.glob("#{made}/**/").sort_by { |folder| -folder.size }.each { |left| Dir.rmdir(left) }
  end

  # The folder of the agent that was started last.
  def needs_groups(of)
    of.log.wait_for(/event=cgroups\.(on|off)/)
    found = of.log.text.scan(/event=cgroups\.on folder="([^"]+)"/).last
    skip of.log.text[/event=cgroups\.off.*/] unless found
    found.first
  end

  # Returns when another one begins.
  def kill_pool_process(server)
    before = server.log.count(/event=pool.starting/)
    Process.kill(:KILL, server.tree.matching(/passenger-agent\S* pool/).first.pid)
    eventually("the next one") { server.log.count(/event=pool.starting/) > before }
  end

  def group_of(pid)
    File.read("/proc/#{pid}/cgroup")[/^0::(.*)$/, 1]
  end

  def mount
    mounts = File.readlines("/proc/self/mountinfo").map(&:split)
    mounts.reverse.find { |one| one.include?("cgroup2") }[4]
  end
end
