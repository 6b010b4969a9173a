# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/control_client"
require_relative "support/steady_load"

# Kills processes of the agent: the watchdog replaces them, and applications continue to serve.
class AgentDeathTest < IntegrationTest
  POOL = /passenger-agent\S* pool/.freeze
  ANCHOR = /passenger-agent\S* anchor/.freeze
  WATCHDOG = /passenger-agent\S* watchdog/.freeze
  RIGHTS = ProcessTree::RIGHTS

  serve do |made|
    made.site("rack.test", SampleApps.rack)
    made.site("other.test", SampleApps.rack)
  end

  def setup
    client.pid
  end

  # A process of the test before may still start, and have no name yet.
  def the_only(pattern, of = server)
    eventually("just one #{pattern.inspect}") do
      (found = of.tree.matching(pattern)).one? && found.first
    end
  end

  def the_spawn_server(of)
    eventually("just one spawn server") { (found = of.tree.spawn_servers).one? && found.first }
  end

  # Kills the process and returns its replacement.
  def replacement(pattern)
    old = the_only(pattern)
    Process.kill(:KILL, old.pid)
    eventually("another #{pattern.inspect}") do
      server.tree.matching(pattern).find { |process| process.identity != old.identity }
    end
  end

  def test_a_pool_process_that_was_killed_is_replaced_and_requests_are_served
    replacement(POOL)
    eventually("the next request") { client.get("/hello").code == "200" }
    Process.kill(:KILL, eventually("an instance") { client.pid })
    eventually("an instance made by the new pool process") { client.get("/hello").code == "200" }
    the_only(POOL)
  end

  def test_a_rights_process_that_was_killed_is_replaced_and_applications_start_and_end
    skip "only the agent of root has a rights process" unless TestEnvironment.root?
    Process.kill(:KILL, eventually("an instance") { client("other.test").pid })
    Process.kill(:KILL, the_only(RIGHTS).pid)
    eventually("the other application") { client("other.test").get("/hello").code == "200" }
    the_only(RIGHTS)
    server.log.wait_for(/event=rights\.exited pid=\d+ how="killed by signal 9/)
    assert_status 200, client.get("/hello")
  end

  def test_no_request_waits_for_a_rights_process_that_was_killed
    skip "only the agent of root has a rights process" unless TestEnvironment.root?
    silences = nil
    answers = SteadyLoad.during(client, "/hello", threads: 2) do |load|
      load.wait_for("an answer") { |answer| answer.code == 200 }
      silences = Array.new(3) { load.longest { replacement(RIGHTS) } }
    end
    assert_equal [200], answers.map(&:code).uniq
    assert_silence_below 1, silences, "deaths of the rights process"
  end

  # The pauses before further rights processes grow, so the next pool process begins without one.
  def test_a_pool_process_that_begins_before_its_rights_process_waits_for_it
    skip "only the agent of root has a rights process" unless TestEnvironment.root?
    3.times { replacement(RIGHTS) }
    instance = eventually("an instance") { client("other.test").pid }
    Process.kill(:KILL, the_only(RIGHTS).pid)
    replacement(POOL)
    Process.kill(:KILL, instance)
    codes = Array.new(10) { client("other.test").get("/hello").code }
    # The request that the killed instance may have taken is lost.
    assert_empty codes.uniq - %w[200 502], codes.inspect
    assert_equal "200", codes.last
  end

  def test_an_application_that_was_not_running_starts_after_the_pool_process_was_replaced
    Process.kill(:KILL, eventually("an instance") { client("other.test").pid })
    replacement(POOL)
    eventually("the other application") { client("other.test").get("/hello").code == "200" }
  end

  def test_a_pool_process_that_stands_still_is_replaced_and_requests_are_served
    made = configuration do |one|
      one.set("PassengerAgentTimeout", 1)
      one.site("rack.test", SampleApps.rack)
    end
    with_server(made) do |server|
      assert_status 200, server.client.get("/hello")
      old = the_only(POOL, server)
      Process.kill(:STOP, old.pid)
      eventually("another pool process") do
        server.tree.matching(POOL).any? { |one| one.identity != old.identity }
      end
      eventually("a request") { server.client.get("/hello").code == "200" }
      assert_match(/event=pool\.thread pid=#{old.pid} thread=\d+ name="passenger-agent" state=T/,
                   server.log.text)
      assert_match(/event=pool\.killed pid=#{old.pid} .*PassengerAgentTimeout/, server.log.text)
      status = eventually("the status") do
        ControlClient.in(File.join(server.folder, "run")).status
      rescue StandardError
        nil # The new pool process has no socket yet.
      end
      assert_operator status.fetch("agent_kills"), :>=, 1
    end
  end

  # The clients send one request each, and do not repeat it.
  def test_the_first_request_of_an_application_waits_for_the_pool_process_to_be_replaced
    made = configuration do |one|
      3.times { |number| one.site("new#{number}.test", SampleApps.rack) }
    end
    with_server(made) do |server|
      3.times do |number|
        old = the_only(POOL, server)
        Process.kill(:KILL, old.pid)
        assert_status 200, server.client("new#{number}.test").get("/hello")
        refute_includes server.tree.matching(POOL).map(&:identity), old.identity
      end
    end
  end

  def test_a_new_pool_process_with_instances_does_not_wait_for_ruby
    folder = scratch
    File.write("#{folder}/ruby", <<~SHELL)
      #!/bin/sh
      [ -e #{folder}/hang ] && exec sleep 600
      exec #{RbConfig.ruby} "$@"
    SHELL
    File.chmod(0o755, "#{folder}/ruby")
    made = configuration do |one|
      one.set("PassengerDefaultRuby", "#{folder}/ruby")
      one.site("rack.test", SampleApps.rack)
    end
    with_server(made) do |server|
      instance = server.client.pid
      FileUtils.touch("#{folder}/hang")
      old = the_only(POOL, server)
      Process.kill(:KILL, old.pid)
      # The last part of a pool process's start.
      server.log.wait_for(/\[pid (?!#{old.pid}\])\d+\] event=registry\.made/)
      assert_equal instance, server.client.pid
      refute_match(/event=spawn_server\.failed/, server.log.text)
    end
  end

  def test_a_spawn_server_that_was_killed_does_not_keep_applications_from_starting
    # An instance of an earlier pool process may serve, which needed no spawn server.
    Process.kill(:KILL, eventually("an instance") { client.pid })
    eventually("an instance") { client.get("/hello").code == "200" }
    Process.kill(:KILL, the_spawn_server(server).pid)
    Process.kill(:KILL, eventually("an instance") { client.pid })
    eventually("an instance") { client.get("/hello").code == "200" }
    made = SampleApps.written(SampleApps.saying("started later"))
    server.graceful { |configuration| configuration.site("later#{rand(1000)}.test", made) }
    eventually("a new application") do
      client(server.configuration.sites.last.name).get("/").body == "started later"
    end
  end

  def test_instances_and_their_preloader_outlive_a_spawn_server_that_was_killed
    made = configuration do |one|
      one.site("rack.test", SampleApps.rack, "PassengerMinInstances 1\n")
    end
    with_server(made) do |server|
      instance = server.client.pid
      preloader = ProcessInfo.read(ProcessInfo.read(instance).ppid)
      assert_match(/AppPreloader/, preloader.command_line)
      old = the_spawn_server(server)
      Process.kill(:KILL, old.pid)
      eventually("its end") { !old.alive? }
      5.times { assert_equal instance, server.client.pid }
      Process.kill(:KILL, instance)
      other = eventually("another instance") { (pid = server.client.pid) == instance ? nil : pid }
      assert_equal preloader.pid, ProcessInfo.read(other).ppid,
                   "it is forked, and nothing is loaded again"
    end
  end

  # The reload comes after the signals on the way through all these processes.
  def test_signals_that_are_for_others_end_no_process_of_the_agent
    agent = [ANCHOR, WATCHDOG, POOL, *(RIGHTS if TestEnvironment.root?)].map { |one| the_only(one) }
    %w[HUP QUIT USR1 USR2 TERM INT].each { |name| agent.each { |one| Process.kill(name, one.pid) } }
    server.graceful
    assert_equal(agent.map(&:identity), agent.map { |one| ProcessInfo.read(one.pid)&.identity })
  end

  def test_no_request_fails_while_the_pool_process_is_replaced
    stop = false
    load = Array.new(4) do |number|
      Thread.new do
        codes = Hash.new(0)
        until stop
          answer = number.even? ? client.get("/hello") : client.post("/upload", "x" * 2_000)
          codes[answer.code] += 1
        end
        codes
      end
    end
    3.times do
      position = server.log.position
      replacement(POOL)
      server.log.wait_for(/event=instance\.(adopted|started)/, from: position)
    end
    stop = true
    codes = load.map(&:value).reduce { |sum, more| sum.merge(more) { |_, a, b| a + b } }
    assert_equal ["200"], codes.keys, codes.inspect
  ensure
    stop = true
    load&.each(&:join)
  end

  # The application would be silent for three seconds if it were loaded again.
  def test_a_watchdog_that_was_killed_costs_nothing_but_its_place
    slow = SampleApps.written("sleep 3\nrun ->(_) { [200, {}, [Process.pid.to_s]] }\n")
    made = configuration { |one| one.site("slow.test", slow, "PassengerMaxInstances 1\n") }
    with_server(made) do |server|
      pid = server.client.get("/").body
      children = server.tree.httpd_children.map(&:pid)
      anchor = the_only(ANCHOR, server)
      silences = nil
      answers = SteadyLoad.during(server.client, "/", threads: 2) do |load|
        load.wait_for("an answer") { |answer| answer.code == 200 }
        silences = Array.new(3) { load.longest { kill_watchdog(server, load) } }
      end
      assert_equal [[200, pid]], answers.map { |answer| [answer.code, answer.body] }.uniq
      assert_equal [anchor.pid, *children].sort,
                   [the_only(ANCHOR, server).pid, *server.tree.httpd_children.map(&:pid)].sort
      assert_silence_below 2, silences, "deaths of the watchdog"
    end
  end

  def test_the_next_watchdog_has_the_settings_of_the_last_reload_and_ends_with_httpd
    with_server(configuration) do |server|
      pid = server.client.pid
      later = SampleApps.written(SampleApps.saying("later"))
      server.graceful { |made| made.site("later.test", later) }
      kill_watchdog(server)
      assert_equal pid, server.client.pid
      assert_equal "later", server.client("later.test").get("/").body
      agent = server.tree.beside_httpd
      server.stop
      assert_empty agent.select(&:alive?)
    end
  end

  def test_an_agent_whose_anchor_was_killed_is_replaced_as_a_whole
    agents = server.tree.beside_httpd.map(&:pid)
    Process.kill(:KILL, the_only(ANCHOR).pid)
    eventually("another anchor") do
      server.tree.matching(ANCHOR).any? { |one| !agents.include?(one.pid) }
    end
    eventually("an answer") { client.get("/hello").code == "200" }
    eventually("the old agent has ended") { (server.tree.beside_httpd.map(&:pid) & agents).empty? }
  end

  # Another death would come too soon for the same httpd.
  def test_requests_wait_for_the_agent_that_takes_the_place_of_one_whose_anchor_was_killed
    limit = 5
    silences = []
    until silences.size == 3 || silences.any? { |silence| silence < limit }
      with_server(configuration) { |server| silences << silence_without_anchor(server) }
    end
    assert_silence_below limit, silences, "deaths of the anchor"
  end

  def test_an_agent_that_dies_soon_again_is_replaced_after_a_pause_and_requests_get_503_meanwhile
    with_server(configuration) do |server|
      began = monotonic
      kill_anchor(server)
      # One that is killed before it is ready is started once more at once.
      eventually("a refusal") do
        Process.kill(:KILL, the_only(ANCHOR, server).pid)
        server.client.get("/hello").code == "503"
      end
      eventually("another agent") { server.client.get("/hello").code == "200" }
      # The pause counts from the start of the agent that died.
      assert_operator monotonic - began, :>, 10
    end
  end

  def test_the_agent_after_the_death_of_an_anchor_outlives_its_pool_process_and_its_watchdog
    one_instance = configuration do |made|
      made.site("rack.test", SampleApps.rack, "PassengerMaxInstances 1\n")
    end
    with_server(one_instance) do |server|
      server.client.pid
      answers = SteadyLoad.during(server.client, "/hello", threads: 2) do |load|
        load.wait_for("an answer") { |answer| answer.code == 200 }
        kill_anchor(server)
        load.wait_for("an answer") { |answer| answer.code == 200 }
        pid = server.client.pid
        2.times { kill_and_adopt(POOL, server, load) }
        kill_and_adopt(WATCHDOG, server, load)
        assert_equal pid, server.client.pid, "nothing was loaded again"
      end
      assert_equal [200], answers.map(&:code).uniq
    end
  end

  # httpd must not read its configuration again by itself: it would end where that is invalid.
  def test_an_agent_that_did_not_start_starts_later_though_the_configuration_on_disk_is_invalid
    logs = File.join(scratch, "logs")
    made = configuration do |one|
      one.set("PassengerLogFile", "#{logs}/passenger.log")
      one.site("rack.test", SampleApps.rack)
    end
    with_server(made) do |server|
      assert_refused_soon server
      File.write("#{server.folder}/httpd.conf", "NoSuchDirective\n", mode: "a")
      Dir.mkdir(logs, 0o777)
      eventually("the agent") { server.client.get("/hello").code == "200" }
      refute_match(/agent\.lost/, server.log.text)
    end
  end

  def test_an_upload_that_no_instance_has_begun_outlives_the_pool_process
    skip "prefork makes no second channel" if ENV["TEST_MPM"] == "prefork"

    # The pool has one instance: another would take the upload.
    made = configuration { |one| one.set("PassengerMaxPoolSize", 1) }
    made.mpm_settings = ONE_CHILD
    with_server(made) do |server|
      path = fifo
      instance = server.client.pid
      first = Thread.new { server.client.get("/wait?fifo=#{path}").code }
      eventually("the instance is busy") { blocked_in_fifo?(instance) }
      child = server.tree.httpd_children.first
      before = sockets(child)
      upload = Thread.new { server.client.post("/upload", "x" * 60_000) }
      # The request is in the queue, its body in a channel that no instance has fetched. httpd has
      # read the body as it arrived.
      eventually("it has a channel") { (sockets(child) - before).size >= 2 }
      sleep 0.2
      old = the_only(POOL, server)
      Process.kill(:KILL, old.pid)
      eventually("another pool process") do
        server.tree.matching(POOL).any? { |process| process.identity != old.identity }
      end
      release(path)
      assert_equal "200", first.value
      assert_status(200, upload.value)
    end
  end

  def test_the_log_says_that_the_pool_process_died
    position = server.log.position
    old = the_only(POOL)
    Process.kill(:KILL, old.pid)
    ended = /signal|killed|died|exited/
    server.log.wait_for(/\b#{old.pid}\b.*(#{ended})|(#{ended}).*\b#{old.pid}\b/, from: position)
    eventually("another one") do
      server.tree.matching(POOL).any? { |process| process.identity != old.identity }
    end
  end

  def test_a_request_in_work_is_answered_by_its_instance_although_the_pool_process_died
    path = fifo
    started = File.join(scratch, "started")
    answer = Thread.new { client.post("/wait?fifo=#{path}&started=#{started}", "some body") }
    eventually("it has begun") { File.exist?(started) }
    replacement(POOL)
    release(path, "finished")
    assert_equal "finished #{File.read(started)}", assert_status(200, answer.value).body
  end

  ONE_CHILD = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 16\n" \
              "ThreadsPerChild 16\nMaxRequestWorkers 16\nMaxConnectionsPerChild 0"

  def test_without_a_pool_process_known_queues_serve_and_new_ones_wait
    skip "prefork makes no second channel" if ENV["TEST_MPM"] == "prefork"

    made = configuration do |one|
      one.mpm_settings = ONE_CHILD
      one.set("PassengerAgentTimeout", 0)
    end
    with_server(made) do |server|
      path = fifo
      instance = server.client.pid
      pool = server.tree.matching(POOL).first.pid
      # The other requests see the pool process as one that is just being replaced.
      ProcessInfo.stop(pool)
      5.times { assert_equal instance, server.client.pid }
      first = Thread.new { server.client.get("/wait?fifo=#{path}").code }
      eventually("the only channel is in use") { blocked_in_fifo?(instance) }
      child = server.tree.httpd_children.first
      before = sockets(child)
      second = Thread.new { server.client.get("/hello").code }
      # The child's connection, and both ends of a channel that the agent does not know yet.
      eventually("another one is being made") { (sockets(child) - before).size >= 3 }
      release(path)
      assert_equal "200", first.value
      assert_predicate second, :alive?
      Process.kill(:CONT, pool)
      assert_equal "200", second.value
    ensure
      Process.kill(:CONT, pool)
    end
  end

  # Each instance knows the channel of the request that it has answered, and the one that was used
  # last is used next.
  def test_without_a_pool_process_requests_for_instances_that_know_others_channels_are_served
    skip "prefork makes no second channel" if ENV["TEST_MPM"] == "prefork"

    made = configuration do |one|
      one.mpm_settings = ONE_CHILD
      one.set("PassengerAgentTimeout", 0)
      one.set("PassengerMinInstances", 2)
      one.set("PassengerMaxInstances", 2)
    end
    with_server(made) do |server|
      paths = [fifo("first"), fifo("second")]
      answers = paths.map do |path|
        Thread.new { server.client.get("/wait?fifo=#{path}&started=#{path}.begun").body }
      end
      eventually("two at work") { paths.all? { |path| File.exist?("#{path}.begun") } }
      pids = paths.zip(answers).map { |path, answer| release(path) && answer.value.split.last.to_i }
      pool = server.tree.matching(POOL).first.pid
      [pool, pids.last].each { |pid| ProcessInfo.stop(pid) }
      waiting = Array.new(2) do
        # The first instance takes it, and knows no channel but the other one.
        Thread.new { server.client.get("/hello").code }.tap { sleep 0.5 }
      end
      Process.kill(:CONT, pids.last)
      eventually("the answers") { waiting.none?(&:alive?) }
      assert_equal %w[200 200], waiting.map(&:value)
    ensure
      [pool, *pids].compact.each { |pid| Process.kill(:CONT, pid) }
    end
  end

  private

  # How long the longest request takes over the death of the anchor.
  def silence_without_anchor(server)
    server.client.pid
    children = server.tree.httpd_children.map(&:pid)
    silence = nil
    answers = SteadyLoad.during(server.client, "/hello", threads: 4) do |load|
      load.wait_for("an answer") { |answer| answer.code == 200 }
      silence = load.longest { kill_anchor(server) }
    end
    failed = answers.reject { |answer| answer.code == 200 }
    assert_empty failed.map { |answer| "#{answer.code} #{answer.body.to_s[0, 200]}" }
    assert_empty children - server.tree.httpd_children.map(&:pid), "without a reload"
    silence
  end

  # A request that waits for another agent has another reason, after ten seconds.
  def assert_refused_soon(server)
    assert_status 503, server.client.get("/hello")
    server.log.wait_for(/event=request\.failed .*reason="the agent does not run/)
    refute_match(/did not accept a connection in time/, server.log.text)
  end

  # Until another agent is there.
  def kill_anchor(server)
    old = the_only(ANCHOR, server)
    Process.kill(:KILL, old.pid)
    eventually("another anchor") do
      server.tree.matching(ANCHOR).any? { |one| one.identity != old.identity }
    end
  end

  def kill_watchdog(server, load = nil)
    kill_and_adopt(WATCHDOG, server, load)
  end

  # Until the application's instance has been taken over.
  def kill_and_adopt(pattern, server, load = nil)
    old = the_only(pattern, server)
    position = server.log.position
    Process.kill(:KILL, old.pid)
    load&.wait_for("a request after it") { |answer| answer.code == 200 }
    eventually("another process") do
      server.tree.matching(pattern).any? { |one| one.identity != old.identity }
    end
    server.client.get("/")
    server.log.wait_for(/event=instance\.adopted/, from: position)
  end

  def sockets(process)
    process.descriptors.values.grep(/socket/)
  end

  def blocked_in_fifo?(pid)
    ProcessInfo.read(pid).descriptors.value?(@fifos.keys.last)
  end
end
