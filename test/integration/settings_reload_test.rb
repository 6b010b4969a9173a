# frozen_string_literal: true

require_relative "support/integration_test"

# What a graceful reload changes in an agent that lives on. The log's settings are in log_test.rb and reload_test.rb, those of files in
# app_log_test.rb and agent_folders_test.rb, PassengerPreStart in pre_start_test.rb.
class SettingsReloadTest < IntegrationTest
  # PassengerMinInstances asks for more than there may be, so that no load decides.
  def test_the_pools_size_grows_and_shrinks
    reloading("PassengerMinInstances" => 3, "PassengerMaxPoolSize" => 1) do |server|
      server.client.get("/")
      sleep 0.5
      assert_equal 1, instances(server)
      reload(server, "PassengerMaxPoolSize" => 3)
      eventually("three instances", within: 60) { server.client.get("/") && instances(server) == 3 }
      reload(server, "PassengerMaxPoolSize" => 1)
      eventually("one instance", within: 60) { instances(server) == 1 }
      assert_status 200, server.client.get("/")
      assert_equal 1, instances(server)
    end
  end

  def test_the_most_instances_of_each_application
    reloading("PassengerMinInstances" => 3, "PassengerMaxInstancesPerApp" => 1) do |server|
      server.client.get("/")
      sleep 0.5
      assert_equal 1, instances(server)
      reload(server, "PassengerMaxInstancesPerApp" => 2)
      eventually("two instances", within: 60) { server.client.get("/") && instances(server) == 2 }
    end
  end

  def test_the_time_after_which_idle_instances_end
    reloading("PassengerPoolIdleTime" => 0, "PassengerMinInstances" => 0) do |server|
      server.client.get("/")
      sleep 1.5
      assert_equal 1, instances(server)
      reload(server, "PassengerPoolIdleTime" => 1)
      eventually("none", within: 60) { instances(server).zero? }
    end
  end

  def test_how_often_restart_files_are_looked_at
    reloading("PassengerStatThrottleRate" => 3600) do |server|
      FileUtils.touch(File.join(server.configuration.sites.first.root, "tmp/always_restart.txt"))
      pid = server.client.pid
      sleep 0.5
      assert_equal pid, server.client.pid
      reload(server, "PassengerStatThrottleRate" => 0)
      eventually("another instance") { server.client.pid != pid }
    end
  end

  def test_how_many_requests_may_wait
    reloading("PassengerMaxPoolSize" => 1, "PassengerMaxRequestQueueSize" => 100) do |server|
      assert_equal [200], burst(server).uniq
      reload(server, "PassengerMaxRequestQueueSize" => 1)
      server.client.get("/")
      assert_equal [200, 503], burst(server).uniq.sort
    end
  end

  def test_the_ruby_of_applications_that_name_none
    reloading do |server|
      server.client.get("/")
      wrapper = File.join(scratch, "ruby")
      File.write(wrapper, "#!/bin/sh\ntouch #{scratch}/used\nexec #{RbConfig.ruby} \"$@\"\n")
      File.chmod(0o755, wrapper)
      reload(server, "PassengerDefaultRuby" => wrapper)
      FileUtils.touch(File.join(server.configuration.sites.first.root, "tmp/restart.txt"))
      eventually("the other Ruby") { server.client.get("/") && File.exist?(File.join(scratch, "used")) }
    end
  end

  def test_the_environment_of_applications_that_name_none
    reloading do |server|
      server.client.get("/")
      reload(server, "PassengerAppEnv" => "staging")
      server.client.get("/")
      server.log.wait_for(/event=instance\.started app="[^"]*\(staging\)"/)
    end
  end

  def test_where_sockets_of_applications_are
    # A short path, wherever the build is: a socket's has at most 107 bytes.
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

  def test_what_children_of_httpd_heed
    reloading do |server|
      assert server.client.get("/")["X-Powered-By"]
      reload(server, "PassengerShowVersionInHeader" => "off")
      refute_match(/\d/, server.client.get("/")["X-Powered-By"].to_s)
    end
  end

  def test_where_uploads_are_kept
    reloading do |server|
      body = "x" * 200_000
      assert_status 200, server.client.post("/upload", body)
      reload(server, "PassengerDataBufferDir" => "/nowhere/at-all")
      assert_status 500, server.client.post("/upload", body)
      server.log.wait_for(%r{PassengerDataBufferDir.*/nowhere/at-all})
      reload(server, "PassengerDataBufferDir" => nil)
      assert_status 200, server.client.post("/upload", body)
    end
  end

  def test_how_much_of_an_answer_is_kept
    reloading("PassengerBufferResponse" => "on") do |server|
      refute_streamed(server)
      reload(server, "PassengerResponseBufferHighWatermark" => 1_000_000)
      position = server.log.position
      download(server)
      server.log.wait_for(/event=response\.streamed .*PassengerResponseBufferHighWatermark/, from: position)
      reload(server, "PassengerResponseBufferHighWatermark" => nil)
      refute_streamed(server)
    end
  end

  def test_whether_answers_are_given_again_and_that_none_is_kept
    app = SampleApps.written('count = 0; run proc { |env| [200, { "Cache-Control" => "max-age=600" }, [(count += 1).to_s]] }')
    made = configuration { |one| one.site("counts.test", app, "PassengerMaxInstances 1\n") }
    with_server(made) do |server|
      ask = -> { server.client("counts.test").get("/").body }
      # Until the child that had it is asked again.
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

  # The agent's other settings are in its identity: it is replaced, which the log says.
  def test_what_cannot_change_in_a_living_agent_replaces_it_and_the_log_says_so
    { "PassengerUserSwitching" => "off", "PassengerDefaultUser" => TestEnvironment::OTHER_USER,
      "PassengerDefaultGroup" => "nogroup" }.each do |name, value|
      reloading("PassengerUser" => TestEnvironment.web_user) do |server|
        old = agents(server)
        assert_status 200, server.client.get("/")
        server.graceful { |made| made.set(name, value) }
        server.log.wait_for(/event=agent\.replaced pid=#{old.first} reason="program or settings changed"/)
        eventually("another agent") { agents(server).then { |now| now.any? && now != old } }
      end
    end
  end

  private

  def reloading(directives = {})
    made = configuration { |one| directives.each { |name, value| one.set(name, value) } }
    with_server(made) { |server| yield server }
  end

  # Fails if that was not the same agent. Children of before, which might take one more connection, are gone then.
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
    server.tree.matching(/passenger-agent watchdog/).map(&:pid)
  end

  def instances(server)
    server.tree.matching(/\APassenger RubyApp/).size
  end

  def burst(server)
    Array.new(12) { Thread.new { server.client.get("/slow?seconds=0.2").code.to_i } }.map(&:value)
  end
end
