# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/module_copy"
require_relative "support/steady_load"

# `apachectl graceful` and `restart`, with each change that administrators make between two of them.
class ReloadTest < IntegrationTest
  include CommandRunner

  # The pool process and its log have new settings.
  TAKEN = /event=pool\.settings_changed/.freeze
  SAYS_ENVIRONMENT = 'run proc { [200, { "Content-Type" => "text/plain" }, ' \
                     '[ENV.fetch("RACK_ENV")]] }'

  def test_a_graceful_reload_keeps_the_instances
    with_server(configuration) do |server|
      pid = server.client.pid
      agents = settled_agents(server)
      children = server.tree.httpd_children.map(&:pid)
      3.times { server.graceful }
      eventually("new children") { (server.tree.httpd_children.map(&:pid) & children).empty? }
      assert_equal pid, server.client.pid
      eventually("the same agent") { server.tree.beside_httpd.map(&:pid).sort == agents }
    end
  end

  def test_a_request_in_flight_survives_a_graceful_reload
    with_server(configuration) do |server|
      in_flight_over_a_reload(server)
    end
  end

  def test_no_request_fails_through_graceful_reloads
    with_server(configuration) do |server|
      server.client.pid
      stop = false
      failures = []
      load = Thread.new { failures.concat([server.client.get("/hello").code] - ["200"]) until stop }
      3.times { server.graceful }
      stop = true
      load.join
      assert_empty failures
    end
  end

  def test_a_module_added_by_a_reload_serves_applications
    made = configuration { |one| one.passenger = false }
    with_server(made) do |server|
      server.graceful { |one| told_by_children(one, "with").passenger = true }
      assert_equal "hello world\n", answer_of_child(server, "with").body
    end
  end

  def test_a_module_removed_by_a_reload_leaves_nothing_running
    with_server(configuration) do |server|
      server.client.pid
      server.graceful { |one| told_by_children(one, "without").passenger = false }
      eventually("no agent") { server.tree.beside_httpd.empty? }
      assert_equal "404", answer_of_child(server, "without").code
    end
  end

  def test_a_request_in_flight_survives_the_removal_of_the_module
    with_server(configuration) do |server|
      in_flight_over_a_reload(server) { |one| one.passenger = false }
      eventually("no agent") { server.tree.beside_httpd.empty? }
    end
  end

  def test_a_setting_that_needs_another_agent_gets_one_and_requests_in_flight_survive
    with_server(configuration) do |server|
      agents = server.tree.matching(/passenger-agent/).map(&:pid)
      in_flight_over_a_reload(server) do |one|
        one.set("PassengerDefaultUser", TestEnvironment.web_user)
      end
      eventually("the old agent has ended") do
        (server.tree.matching(/passenger-agent/).map(&:pid) & agents).empty?
      end
      assert_equal "hello world\n", server.client.get("/hello").body
    end
  end

  def test_an_agent_that_is_killed_while_it_starts_is_started_again_and_no_request_fails
    with_server(configuration) do |server|
      ok(server.client.get("/hello"))
      answers = SteadyLoad.during(server.client, "/hello") do |load|
        server.graceful { |one| one.set("PassengerRoot", root_of_an_agent_that_is_killed_once) }
        load.wait_for_all("answers of the new children", count: 5)
      end
      assert_equal [200], answers.map(&:code).uniq
      assert_match(/event=agent\.start_failed reason=".* signal 9/, server.log.text)
    end
  end

  def test_a_module_that_is_removed_and_added_again_serves_applications
    with_server(configuration) do |server|
      assert_equal "hello world\n", server.client.get("/hello").body
      %w[second third].each do |name|
        server.graceful { |one| one.passenger = false }
        server.graceful { |one| told_by_children(one, name).passenger = true }
        assert_equal "hello world\n", answer_of_child(server, name).body
      end
      eventually("one agent") { server.tree.matching(/passenger-agent\S* watchdog/).size == 1 }
    end
  end

  def test_a_module_file_that_was_replaced_runs_its_new_code_after_a_reload
    copy = ModuleCopy.new(SampleApps.new_folder)
    with_server(configuration { |one| one.passenger_module = copy.path }) do |server|
      product = server.client.get("/hello")["X-Powered-By"]
      altered = copy.replace(product)
      server.graceful
      eventually("the old module is gone") { only_mapping(server, copy.path) }
      response = eventually("the application answers") { ok(server.client.get("/hello")) }
      assert_equal altered, response["X-Powered-By"]
    end
  end

  def test_a_module_file_that_was_replaced_brings_another_agent
    copy = ModuleCopy.new(SampleApps.new_folder)
    with_server(configuration { |one| one.passenger_module = copy.path }) do |server|
      product = server.client.get("/hello")["X-Powered-By"]
      another_agent_after(server) { copy.replace(product) }
    end
  end

  # Packages and `make install` replace a file by a rename. A process may write Python's bytecode.
  %w[passenger-agent lib/passenger/spawn/spawn_server.rb
     lib/passenger/python/mod_passenger/app_loader.py].each do |name|
    define_method("test_#{name.tr('/.*-', '_')}_that_was_replaced_brings_another_agent") do
      root = File.join(SampleApps.new_folder, "root")
      Open3.capture2e("cp", "-rL", TestEnvironment::PASSENGER_ROOT, root)
      with_server(configuration { |one| one.passenger_root = root }) do |server|
        write_bytecode(File.join(root, "lib/passenger/python/mod_passenger"))
        # As passenger-config build-native-support does. Only instances read native code.
        Dir.glob("#{root}/native/*/*").each { |file| FileUtils.touch(file) }
        another_agent_after(server) do
          FileUtils.cp(File.join(root, name), File.join(root, "#{name}.new"), preserve: true)
          File.rename(File.join(root, "#{name}.new"), File.join(root, name))
        end
      end
    end
  end

  def test_a_new_log_file_has_the_lines_after_a_reload
    first, second = %w[first second].map { |name| File.join(scratch, "#{name}.log") }
    with_server(configuration { |one| one.set("PassengerLogFile", first) }) do |server|
      pid = server.client.pid
      server.client.get("/stderr?text=before")
      LogReader.new(first).wait_for(/App #{pid} output: .*before/)
      server.graceful { |one| one.set("PassengerLogFile", second) }
      LogReader.new(second).wait_for(TAKEN)
      server.client.get("/stderr?text=after")
      LogReader.new(second).wait_for(/App #{pid} output: .*after/)
      refute_match(/after/, File.read(first))
      eventually("nobody holds the first file") { nobody_holds?(server, first) }
    end
  end

  def test_the_agents_own_log_file_may_be_rotated
    while_the_agents_log_is_rotated do |server, log|
      server.graceful
      LogReader.new(log).wait_for(TAKEN)
    end
  end

  def test_the_agents_own_log_file_is_opened_anew_by_a_command
    while_the_agents_log_is_rotated do |server, log|
      @own_server = server
      assert_equal "All done\n", succeed(CONFIG, "reopen-logs")
      # The watchdog writes to it, too, and so does the next pool process.
      Process.kill(:KILL, server.tree.matching(/passenger-agent\S* pool/).first.pid)
      LogReader.new(log).wait_for(/event=pool\.exited/)
      LogReader.new(log).wait_for(/event=pool\.starting/)
    end
  end

  def test_the_agents_own_log_file_is_rotated_by_the_lines_of_the_documents
    needs_root("the lines give the file to root")
    logrotate = TestEnvironment.find_command("logrotate")
    skip "needs logrotate" unless logrotate
    with_log_file do |server, log|
      @own_server = server
      lines = File.join(scratch, "logrotate.conf")
      File.write(lines, rotation_of(log))
      File.chown(0, 0, scratch)
      output, status = Open3.capture2e(environment, logrotate, "--force", "--state",
                                       "#{log}.state", lines)
      assert_equal ["", true], [output, status.success?]
      assert_equal 0o640, File.stat(log).mode & 0o777
    end
  end

  def test_a_log_file_that_cannot_be_opened_anew_is_an_error_of_the_command
    folder = File.join(scratch, "logs")
    Dir.mkdir(folder)
    log = File.join(folder, "agent.log")
    with_server(configuration { |one| one.set("PassengerLogFile", log) }) do |server|
      server.client.get("/")
      File.rename(folder, "#{folder}.away")
      @own_server = server
      assert_fails 1, /The log file #{log} cannot be opened: No such file/, CONFIG, "reopen-logs"
      server.client.get("/stderr?text=still")
      LogReader.new("#{folder}.away/agent.log").wait_for(/still/)
    end
  end

  # httpd's parent has not noticed the death when the reload comes.
  def test_no_request_fails_if_the_agent_dies_just_before_a_reload
    with_server(configuration) do |server|
      server.client.get("/")
      anchor = server.tree.matching(/passenger-agent anchor/).first.pid
      answers = SteadyLoad.during(server.client, "/", threads: 4) do |load|
        load.wait_for_all("answers")
        ProcessInfo.stop(server.pid)
        Process.kill(:KILL, anchor)
        eventually("the agent's end") do
          server.tree.matching(/passenger-agent (watchdog|pool)/).empty?
        end
        Process.kill(:USR1, server.pid)
        Process.kill(:CONT, server.pid)
        server.log.wait_for(/event=agent\.died pid=#{anchor}/)
        load.wait_for_all("answers of the next agent's instances")
      end
      assert_equal [200], answers.map(&:code).uniq
    end
  end

  def test_logs_go_to_the_new_file_after_logrotate_and_a_reload
    with_server(configuration) do |server|
      pid = server.client.pid
      rotated = "#{server.log.path}.1"
      server.client.get("/stderr?text=before")
      server.log.wait_for(/before/)
      File.rename(server.log.path, rotated)
      server.graceful
      server.log.wait_for(TAKEN)
      server.client.get("/stderr?text=after")
      server.log.wait_for(/App \d+ output: .*after/)
      Process.kill(:KILL, pid)
      server.log.wait_for(/\b#{pid}\b.*(exited|killed|signal)|instance\.exited.*\b#{pid}\b/)
      refute_match(/after/, File.read(rotated))
      eventually("nobody holds the old file") { nobody_holds?(server, rotated) }
    end
  end

  def test_a_setting_changed_by_a_reload_is_in_force
    with_server(configuration { |one| one.set("PassengerMaxPoolSize", 1) }) do |server|
      assert_equal 1, busy_pids(server, 3).size
      server.graceful { |one| one.set("PassengerMaxPoolSize", 3) }
      # Where no processor is free, an instance is added for a request that waits much longer than
      # an answer takes.
      eventually("three instances") { busy_pids(server, 30).size == 3 }
    end
  end

  def test_a_full_restart_serves_again
    with_server(configuration) do |server|
      server.client.pid
      server.restart
      eventually("the application answers") { server.client.get("/hello").code == "200" }
      eventually("one agent") { server.tree.matching(/passenger-agent\S* watchdog/).size == 1 }
    end
  end

  def test_an_application_added_by_a_reload_is_served
    with_server(configuration) do |server|
      server.graceful do |one|
        one.site("new.test", SampleApps.written(SampleApps.saying("new application")))
      end
      eventually { server.client("new.test").get("/").body == "new application" }
      assert_equal "hello world\n", server.client.get("/hello").body
    end
  end

  def test_an_application_changed_by_a_reload_is_served_as_changed_and_the_others_stay
    made = configuration do |one|
      one.site("rack.test", SampleApps.rack)
      one.site("changed.test", SampleApps.written(SAYS_ENVIRONMENT), "PassengerAppEnv first\n")
    end
    with_server(made) do |server|
      pid = server.client.pid
      assert_equal "first", server.client("changed.test").get("/").body
      server.graceful { |one| one.sites.last.directives = "PassengerAppEnv second\n" }
      eventually { server.client("changed.test").get("/").body == "second" }
      assert_equal pid, server.client.pid
    end
  end

  def test_an_application_removed_by_a_reload_is_served_no_longer_and_ends_when_it_is_idle
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 1)
      one.site("rack.test", SampleApps.rack, "PassengerMinInstances 1\n")
      one.site("removed.test", SampleApps.written(SAYS_ENVIRONMENT),
               "PassengerMinInstances 0\nPassengerAppEnv lost\n")
    end
    with_server(made) do |server|
      assert_equal "lost", server.client("removed.test").get("/").body
      server.graceful { |one| one.sites.pop }
      # The first virtual host answers for unknown names.
      eventually { server.client("removed.test").get("/hello").body == "hello world\n" }
      eventually("no instance of it", within: 60) do
        server.tree.matching(/RubyApp.*\(lost\)/).empty?
      end
    end
  end

  def test_httpd_k_graceful_refuses_a_broken_configuration_and_requests_are_served
    with_server(configuration) do |server|
      pid = server.client.pid
      server.configuration.main_directives << "PassengerMaxPoolSize nonsense\n"
      server.write_configuration
      refute_predicate server.run("-k", "graceful"), :success?
      assert_equal pid, server.client.pid
    end
  end

  private

  def root_of_an_agent_that_is_killed_once
    SampleApps.new_folder.tap do |folder|
      FileUtils.ln_s(Dir[File.join(TestEnvironment::PASSENGER_ROOT, "*")], folder)
      agent = File.join(folder, "passenger-agent")
      real = File.readlink(agent)
      File.unlink(agent)
      File.write(agent, <<~SH, perm: 0o755)
        #!/bin/sh
        [ -e "#{folder}/killed" ] || { : > "#{folder}/killed"; kill -KILL $$; }
        exec "#{real}" "$@"
      SH
    end
  end

  # Children with this configuration tell the name in each answer.
  def told_by_children(configuration, name)
    configuration.main_directives.replace("Header always set X-Configuration #{name}\n")
    configuration
  end

  # The first answer of a child with that configuration: one from before a reload may take one more
  # connection.
  def answer_of_child(server, name)
    eventually("an answer of a new child") do
      answer = server.client.get("/hello")
      answer if answer["X-Configuration"] == name
    end
  end

  # The lines of doc/OPERATIONS.md for this file and the tested command.
  def rotation_of(log)
    page = File.read(File.join(TestEnvironment::SOURCE_DIR, "doc/OPERATIONS.md"))
    lines = page[%r{^/var/log/passenger/\*\.log \{\n.*?^\}\n}m]
    lines.sub("/var/log/passenger/*.log", log).sub(CONFIG, program(CONFIG))
  end

  # The block has the moved file opened anew; what comes after is in the new one.
  def while_the_agents_log_is_rotated
    with_log_file do |server, log|
      File.rename(log, "#{log}.1")
      yield server, log
    end
  end

  # The block has moved the file to one with ".1" at its end, and had it opened anew.
  def with_log_file
    log = File.join(scratch, "agent.log")
    with_server(configuration { |one| one.set("PassengerLogFile", log) }) do |server|
      server.client.get("/stderr?text=before")
      LogReader.new(log).wait_for(/before/)
      yield server, log
      server.client.get("/stderr?text=after")
      LogReader.new(log).wait_for(/after/)
      refute_match(/after/, File.read("#{log}.1"))
      eventually("nobody holds the old file") { nobody_holds?(server, "#{log}.1") }
    end
  end

  # Begins a request, reloads, and lets the request end; the request must be answered.
  def in_flight_over_a_reload(server, &change)
    path = fifo
    started = File.join(scratch, "started")
    answer = Thread.new do
      server.client("rack.test", timeout: 60).get("/wait?fifo=#{path}&started=#{started}").body
    end
    eventually { File.exist?(started) }
    server.graceful(&change)
    release(path, "finished")
    assert_match(/\Afinished/, answer.value)
  end

  # The block replaces a file while a request is in flight. That request must be answered.
  def write_bytecode(folder)
    FileUtils.mkdir_p(File.join(folder, "__pycache__"))
    FileUtils.touch(File.join(folder, "__pycache__/body.pyc"))
  end

  def another_agent_after(server)
    server.client.pid
    agents = server.tree.matching(/passenger-agent/).map(&:pid)
    server.graceful
    eventually("the same agent") do
      server.tree.matching(/passenger-agent/).map(&:pid).sort == agents.sort
    end
    in_flight_over_a_reload(server) { yield }
    server.log.wait_for(/event=agent\.replaced pid=\d+ reason="program or settings changed"/)
    eventually("the old agent has ended") do
      (server.tree.matching(/passenger-agent/).map(&:pid) & agents).empty?
    end
    assert_equal "hello world\n", server.client.get("/hello").body
  end

  # Leaves out processes that only help to start others.
  def settled_agents(server)
    last = nil
    eventually("the same processes twice", every: 0.2) do
      server.tree.beside_httpd.map(&:pid).sort.then do |now|
        now == last ? now : (last = now) && nil
      end
    end
  end

  def nobody_holds?(server, path)
    server.tree.processes.none? { |process| process.descriptors.value?(path) }
  end

  def ok(response)
    response if response.code == "200"
  end

  def busy_pids(server, count)
    Array.new(count) { Thread.new { server.client.get("/slow?seconds=0.3").body[/\d+/] } }
      .map(&:value).uniq
  end

  # All of httpd's processes map the file's present content, and no deleted file.
  def only_mapping(server, path)
    httpds = [ProcessInfo.read(server.pid), *server.tree.httpd_children]
    httpds.all? { |process| process.mapped_files.grep(/#{Regexp.escape(path)}/) == [path] }
  end
end
