# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# Settings that a graceful reload changes in a running agent. log_test.rb and reload_test.rb have
# the log's settings, app_log_test.rb and agent_folders_test.rb those of files. pre_start_test.rb
# has PassengerPreStart.
class SettingsReloadTest < IntegrationTest
  include CommandRunner

  # PassengerMinInstances exceeds the pool's size, so the load does not matter.
  def test_the_pools_size_grows_and_shrinks
    reloading("PassengerMinInstances" => 3, "PassengerMaxPoolSize" => 1) do |server|
      server.client.get("/")
      sleep 0.5
      assert_equal [1, 0], [instances(server), starting]
      reload(server, "PassengerMaxPoolSize" => 3)
      eventually("three instances", within: 60) { server.client.get("/") && instances(server) == 3 }
      reload(server, "PassengerMaxPoolSize" => 1)
      eventually("one instance", within: 60) { instances(server) == 1 }
      assert_status 200, server.client.get("/")
      assert_equal 1, instances(server)
    end
  end

  def test_the_limit_of_instances_of_each_application_changes
    reloading("PassengerMinInstances" => 3, "PassengerMaxInstancesPerApp" => 1) do |server|
      server.client.get("/")
      sleep 0.5
      assert_equal [1, 0], [instances(server), starting]
      reload(server, "PassengerMaxInstancesPerApp" => 2)
      eventually("two instances", within: 60) { server.client.get("/") && instances(server) == 2 }
    end
  end

  def test_the_time_after_which_idle_instances_end_changes
    reloading("PassengerPoolIdleTime" => 0, "PassengerMinInstances" => 0) do |server|
      server.client.get("/")
      sleep 1.5
      assert_equal [1, 0], [instances(server), starting]
      reload(server, "PassengerPoolIdleTime" => 1)
      eventually("none", within: 60) { instances(server).zero? }
    end
  end

  def test_the_interval_of_checks_for_restart_files_changes
    reloading("PassengerStatThrottleRate" => 3600) do |server|
      FileUtils.touch(File.join(server.configuration.sites.first.root, "tmp/always_restart.txt"))
      # The one check of the interval may come after the first request.
      pid = eventually("no further restart") do
        before = server.client.pid
        sleep 0.5
        before if server.client.pid == before
      end
      reload(server, "PassengerStatThrottleRate" => 0)
      eventually("another instance") { server.client.pid != pid }
    end
  end

  def test_the_limit_of_waiting_requests_changes
    reloading("PassengerMaxPoolSize" => 1, "PassengerMaxRequestQueueSize" => 100) do |server|
      assert_equal [200], burst(server).uniq
      reload(server, "PassengerMaxRequestQueueSize" => 1)
      server.client.get("/")
      assert_equal [200, 503], burst(server).uniq.sort
    end
  end

  def test_the_default_ruby_of_applications_changes
    reloading do |server|
      server.client.get("/")
      wrapper = File.join(scratch, "ruby")
      File.write(wrapper, "#!/bin/sh\ntouch #{scratch}/used\nexec #{RbConfig.ruby} \"$@\"\n")
      File.chmod(0o755, wrapper)
      reload(server, "PassengerDefaultRuby" => wrapper)
      FileUtils.touch(File.join(server.configuration.sites.first.root, "tmp/restart.txt"))
      eventually("the other Ruby") do
        server.client.get("/") && File.exist?(File.join(scratch, "used"))
      end
    end
  end

  def test_the_default_environment_of_applications_changes
    reloading do |server|
      server.client.get("/")
      reload(server, "PassengerAppEnv" => "staging")
      server.client.get("/")
      server.log.wait_for(/event=instance\.started app="[^"]*\(staging\)"/)
    end
  end

  # Without the wait, the first request meets the earlier settings, which lack its command.
  def test_a_reload_waits_for_the_agent_so_that_a_new_application_is_served_at_once
    in_one_of(3) do
      reloading do |server|
        while_the_pool_stands_still(server) do |pool|
          Thread.new { sleep 1; Process.kill(:CONT, pool) }
          add_an_application(server)
          assert_status 200, server.client("new.test").get("/pid")
        end
        assert_equal 0, server.log.count(/event=agent\.update_late/)
      end
    end
  end

  def test_a_reload_does_not_wait_long_for_an_agent_that_stands_still
    reloading("PassengerAgentTimeout" => 100) do |server|
      while_the_pool_stands_still(server) do
        add_an_application(server)
        server.log.wait_for(/event=agent\.update_late/)
      end
      eventually("the new application") { server.client("new.test").get("/pid").code == "200" }
    end
  end

  def test_the_folder_of_applications_sockets_changes
    # A short path, wherever the build is: the path of a socket has at most 107 bytes.
    above = Dir.mktmpdir
    File.chmod(0o755, above)
    folder = File.join(above, "sockets")
    command = "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb $PASSENGER_SOCKET\"\n"
    made = configuration { |one| one.site("http.test", SampleApps.copy("http_app"), command) }
    with_server(made) do |server|
      server.graceful { |one| one.set("PassengerSpawnDir", folder) }
      assert_status 200, server.client.get("/")
      assert_equal 1, Dir.children(folder).size
      assert_equal 1, agents(server).size
    end
  ensure
    FileUtils.rm_rf(above)
  end

  def test_settings_of_httpds_children_change
    reloading do |server|
      assert server.client.get("/")["X-Powered-By"]
      reload(server, "PassengerShowVersionInHeader" => "off")
      refute_match(/\d/, server.client.get("/")["X-Powered-By"].to_s)
    end
  end

  def test_the_folder_of_uploads_changes
    reloading do |server|
      body = "x" * 200_000
      assert_status 200, server.client.post("/upload", body)
      folder = File.join(SampleApps.new_folder, "uploads").tap { |path| Dir.mkdir(path) }
      TestEnvironment.hand_over(folder)
      reload(server, "PassengerDataBufferDir" => folder)
      Dir.rmdir(folder)
      assert_status 500, server.client.post("/upload", body)
      server.log.wait_for(/PassengerDataBufferDir.*#{folder}/)
      reload(server, "PassengerDataBufferDir" => nil)
      assert_status 200, server.client.post("/upload", body)
    end
  end

  # As systemd's PrivateTmp: `apachectl graceful` sees the shell's folder, and httpd has its own.
  def test_a_folder_of_uploads_that_only_the_shell_sees_does_not_end_httpd
    needs_root "mounts"
    seen = SampleApps.new_folder
    folder = File.join(seen, "uploads").tap { |path| Dir.mkdir(path) }
    TestEnvironment.hand_over(folder)
    with_server(configuration { |made| made.mounts[seen] = SampleApps.new_folder }) do |server|
      server.graceful { |made| made.set("PassengerDataBufferDir", folder) }
      assert_match(/ PassengerDataBufferDir "#{folder}".*No such file/, server.log.text)
      assert_status 200, server.client.get("/")
      eventually("500") { server.client.post("/upload", "x" * 200_000).code == "500" }
    end
  end

  def test_the_limit_of_buffered_answers_changes
    reloading("PassengerBufferResponse" => "on") do |server|
      refute_streamed(server)
      reload(server, "PassengerResponseBufferHighWatermark" => 1_000_000)
      position = server.log.position
      download(server)
      server.log.wait_for(/event=response\.streamed .*PassengerResponseBufferHighWatermark/,
                          from: position)
      reload(server, "PassengerResponseBufferHighWatermark" => nil)
      refute_streamed(server)
    end
  end

  def test_a_reload_empties_the_cache_of_answers_and_can_turn_it_off
    app = SampleApps.written('count = 0; run proc { |env| [200, { "Cache-Control" => ' \
                             '"max-age=600" }, [(count += 1).to_s]] }')
    made = configuration { |one| one.site("counts.test", app, "PassengerMaxInstances 1\n") }
    with_server(made) do |server|
      ask = -> { server.client("counts.test").get("/").body }
      # Waits until the child that has the answer gets the request.
      kept = -> { eventually("an answer is given again") { ask.call == ask.call } || ask.call }
      first = kept.call
      reload(server, {})
      refute_includes Array.new(10) { ask.call }, first
      reload(server, "PassengerTurbocaching" => "off")
      answers = Array.new(10) { ask.call }
      assert_equal answers, answers.uniq
      reload(server, "PassengerTurbocaching" => "on")
      refute_includes answers, kept.call
    end
  end

  # The agent's other settings are part of its identity. A change of them replaces the agent, and
  # the log says this.
  def test_settings_that_a_running_agent_cannot_change_replace_it_and_the_log_says_so
    { "PassengerUserSwitching" => "off", "PassengerDefaultUser" => TestEnvironment::OTHER_USER,
      "PassengerDefaultGroup" => "nogroup", "PassengerAgentUser" => TestEnvironment::OTHER_USER,
      "PassengerSeccomp" => "log" }.each do |name, value|
      reloading("PassengerUser" => TestEnvironment.web_user) do |server|
        old = agents(server)
        assert_status 200, server.client.get("/")
        server.graceful { |made| made.set(name, value) }
        reason = "program or settings changed"
        server.log.wait_for(/event=agent\.replaced pid=#{old.first} reason="#{reason}"/)
        eventually("another agent") { agents(server).then { |now| now.any? && now != old } }
      end
    end
  end

  # The slow request keeps its child of before, and so the agent of before.
  def test_an_agent_that_is_replaced_ends_the_applications_that_have_no_request
    log = File.join(scratch, "passenger.log")
    made = configuration do |one|
      one.set("PassengerLogFile", log)
      one.set("PassengerPoolIdleTime", 2)
      one.set("PassengerMinInstances", 1)
      one.site("slow.test", SampleApps.rack)
      one.site("other.test", SampleApps.written("run proc { [200, {}, [Process.pid.to_s]] }"))
    end
    with_server(made) do |server|
      old = server.client("other.test").pid
      slow = Thread.new { server.client("slow.test").get("/slow?seconds=45") }
      eventually("the slow request") { instances(server) > 1 }
      server.graceful { |one| one.set("PassengerSeccomp", "log") }
      refute_equal old, server.client("other.test").pid
      assert_logs_reopened(server, log)
      eventually("the old instance's end") { !File.exist?("/proc/#{old}") }
      assert_equal 2, agents(server).size
      assert_equal "200", slow.value.code
    end
  end

  # mod_cgid's daemon is forked without exec, so it has each descriptor of httpd's parent.
  def test_an_agent_that_is_replaced_ends_beside_a_module_that_forks_a_daemon
    made = configuration do |one|
      file = File.join(TestEnvironment.modules_dir, "mod_cgid.so")
      one.main_directives << "LoadModule cgid_module #{file}\nScriptSock cgid.sock\n"
    end
    with_server(made) do |server|
      old = agents(server)
      server.graceful { |one| one.set("PassengerSeccomp", "log") }
      eventually("only the new agent") { agents(server).then { |now| now.one? && now != old } }
    end
  end

  private

  def reloading(directives = {})
    made = configuration { |one| directives.each { |name, value| one.set(name, value) } }
    with_server(made) { |server| yield server }
  end

  def while_the_pool_stands_still(server)
    assert_status 200, server.client.get("/")
    pool = server.tree.matching(/passenger-agent\S* pool/).first.pid
    ProcessInfo.stop(pool)
    yield pool
  ensure
    Process.kill(:CONT, pool)
  end

  def add_an_application(server)
    server.graceful do |made|
      made.site("new.test", SampleApps.copy("http_app"),
                "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
    end
  end

  # Fails if the agent was replaced. Children from before the reload, which may take one more
  # connection, are gone then.
  def reload(server, directives)
    before = agents(server)
    children = server.tree.httpd_children.map(&:pid)
    server.graceful { |made| directives.each { |name, value| made.set(name, value) } }
    assert_equal before, agents(server)
    eventually("new children") { (server.tree.httpd_children.map(&:pid) & children).empty? }
  end

  def download(server)
    assert_equal 2_000_000, server.client.get("/download?bytes=2000000&length=no").body.bytesize
  end

  def refute_streamed(server)
    position = server.log.position
    download(server)
    assert_equal 0, server.log.count(/event=response\.streamed/, position)
  end

  def agents(server)
    server.tree.matching(/passenger-agent anchor/).map(&:pid)
  end

  def instances(server)
    server.tree.matching(/\APassenger RubyApp/).size
  end

  def assert_logs_reopened(server, log)
    return unless TestEnvironment.root?

    File.rename(log, "#{log}.1")
    succeed(CONFIG, "reopen-logs")
    pools = server.tree.matching(/passenger-agent\S* pool/).map(&:pid)
    eventually("the new file in both agents") do
      pools.map { |pid| File.readlink("/proc/#{pid}/fd/2") } == [log, log]
    end
  end

  def burst(server)
    Array.new(12) { Thread.new { server.client.get("/slow?seconds=0.2").code.to_i } }.map(&:value)
  end
end
