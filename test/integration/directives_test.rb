# frozen_string_literal: true

require_relative "support/integration_test"

# Directives for an application's place, user and number of instances.
class DirectivesTest < IntegrationTest
  serve do |made|
    if TestEnvironment.root?
      made.set("PassengerDefaultUser", TestEnvironment::OTHER_USER)
      made.set("PassengerDefaultGroup", "nogroup")
    end
    rack = SampleApps.rack
    made.site("rack.test", rack)
    made.site("disabled.test", rack, "PassengerEnabled off\n")
    made.site("partly.test", rack, "<Location /hello>\n  PassengerEnabled off\n</Location>\n")
    made.site("elsewhere.test", rack, "PassengerAppRoot #{rack}\n", document_root: static_folder)
    made.site("rails_env.test", rack, "RailsEnv custom\nPassengerMinInstances 2\n")
    made.site("rack_env.test", rack, "RackEnv another\nPassengerMinInstances 0\n")
    made.site("direct.test", SampleApps.rack, "PassengerSpawnMethod direct\n")
    made.site("ruby.test", SampleApps.rack, "PassengerRuby #{ruby_wrapper}\n")
    made.site("single.test", SampleApps.rack, "PassengerMaxInstances 1\n")
    made.site("forced.test", SampleApps.rack,
              "PassengerForceMaxConcurrentRequestsPerProcess 0\n")
    made.site("startup.test", other_startup_file, "PassengerStartupFile config/other.ru\n")
    if TestEnvironment.root?
      made.site("user.test", SampleApps.rack, "PassengerUser daemon\n")
      made.site("group.test", SampleApps.rack, "PassengerUser daemon\nPassengerGroup nogroup\n")
      made.site("owner.test", TestEnvironment.hand_over(SampleApps.rack, "games"))
      made.site("root.test", TestEnvironment.hand_over(SampleApps.rack, "root"))
    end
  end

  def self.static_folder
    SampleApps.new_folder.tap do |folder|
      File.write(File.join(folder, "static.txt"), "another static file\n")
    end
  end

  # An application without a config.ru.
  def self.other_startup_file
    SampleApps.written(SampleApps.saying("from elsewhere")).tap do |folder|
      FileUtils.mkdir(File.join(folder, "config"))
      File.rename(File.join(folder, "config.ru"), File.join(folder, "config/other.ru"))
      TestEnvironment.hand_over(folder)
    end
  end

  # A Ruby that differs from others.
  def self.ruby_wrapper
    path = File.join(SampleApps.new_folder, "ruby")
    File.write(path, "#!/bin/sh\nWRAPPED=yes exec #{RbConfig.ruby} \"$@\"\n")
    File.chmod(0o755, path)
    path
  end

  def root_of(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end

  def process(site)
    client(site).json("/process")
  end

  def test_httpd_alone_serves_a_virtual_host_with_passenger_disabled
    assert_status 404, client("disabled.test").get("/hello")
    assert_status 200, client("disabled.test").get("/static.txt")
  end

  def test_the_startup_file_may_have_another_name
    assert_equal "from elsewhere", assert_status(200, client("startup.test").get("/")).body
  end

  def test_an_application_may_be_disabled_for_one_location
    assert_status 404, client("partly.test").get("/hello")
    assert_status 200, client("partly.test").get("/env")
  end

  def test_a_directive_for_other_kinds_of_applications_is_told
    assert_status 200, client("rack.test").get("/hello")
    position = server.log.position
    assert_status 200, client("forced.test").get("/hello")
    line = server.log.wait_for(/event=directive\.idle .*/, from: position)
    assert_includes line, root_of("forced.test")
    assert_includes line, " directive=PassengerForceMaxConcurrentRequestsPerProcess "
  end

  # As on ports 80 and 443.
  def test_one_of_two_virtual_hosts_of_a_folder_may_have_a_limit
    folder = SampleApps.rack
    made = configuration do |one|
      one.site("bare.test", folder)
      one.site("limited.test", folder, "PassengerMemoryLimit 500\n")
    end
    with_server(made) do |own|
      %w[bare.test limited.test].each { |name| assert_status 200, own.client(name).get("/hello") }
    end
  end

  def test_an_application_may_live_apart_from_its_document_root
    assert_equal "hello world\n", client("elsewhere.test").get("/hello").body
    assert_equal "another static file\n", client("elsewhere.test").get("/static.txt").body
  end

  def test_production_is_the_environment_unless_one_is_named
    assert_equal "production", process("rack.test")["environment"]["RACK_ENV"]
    assert_equal %w[custom custom],
                 process("rails_env.test")["environment"].values_at("RACK_ENV", "RAILS_ENV")
    assert_equal %w[another another],
                 process("rack_env.test")["environment"].values_at("RACK_ENV", "RAILS_ENV")
  end

  def test_an_application_may_have_a_ruby_of_its_own
    assert_equal "yes", process("ruby.test")["environment"]["WRAPPED"]
    refute process("rack.test")["environment"].key?("WRAPPED")
  end

  def test_an_application_has_no_more_instances_than_its_limit
    requests = Array.new(3) do
      Thread.new { client("single.test").get("/slow?seconds=0.1").body[/\d+/] }
    end
    pids = requests.map(&:value)
    assert_equal 1, pids.uniq.size
  end

  def test_the_log_level_decides_what_is_in_the_log
    with_server(configuration { |made| made.set("PassengerLogLevel", 2) }) do |server|
      pid = server.client.pid
      Process.kill(:KILL, pid)
      server.log.wait_for(/event=instance\.exited.*pid=#{pid} signal=9/)
      refute_match(/event=instance\.started/, server.log.text)
      server.graceful { |made| made.set("PassengerLogLevel", 3) }
      # The agent gets the new settings a moment later.
      eventually("a line of the new level", every: 0.5) do
        Process.kill(:KILL, server.client.pid)
        server.client.pid && server.log.text.match?(/event=instance\.started/)
      end
    end
  end

  def test_a_smartly_spawned_instance_is_a_child_of_its_preloader
    instance = ProcessInfo.read(process("rack.test")["pid"])
    assert_match(/preloader/i, ProcessInfo.read(instance.ppid).command_line)
  end

  def test_a_directly_spawned_instance_has_no_preloader
    instance = ProcessInfo.read(process("direct.test")["pid"])
    refute_match(/preloader/i, ProcessInfo.read(instance.ppid).command_line)
  end

  def test_an_idle_instance_ends_after_the_idle_time_but_the_minimum_stays
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 1)
      one.site("min.test", SampleApps.rack, "PassengerMinInstances 1\n")
      one.site("none.test", SampleApps.rack, "PassengerMinInstances 0\n")
    end
    with_server(made) do |server|
      path = fifo
      started = File.join(scratch, "started")
      requests = Array.new(3) do
        Thread.new { server.client("min.test").get("/wait?fifo=#{path}&started=#{started}") }
      end
      eventually("three instances") { File.exist?(started) && File.readlines(started).size == 3 }
      3.times { release(path) }
      pids = requests.map { |request| request.value.body[/\d+$/].to_i }
      assert_equal 3, pids.uniq.size
      doomed = server.client("none.test").pid
      eventually("idle instances end") { ProcessInfo.read(doomed).nil? }
      eventually("one stays") { pids.one? { |pid| ProcessInfo.read(pid) } }
      assert_includes pids, server.client("min.test").pid
    end
  end

  def test_a_full_pool_makes_room_for_another_application
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 1)
      3.times { |number| one.site("app#{number}.test", SampleApps.rack) }
    end
    with_server(made) do |server|
      2.times do
        3.times { |number| assert_status 200, server.client("app#{number}.test").get("/hello") }
      end
    end
  end

  def test_an_application_runs_as_the_owner_of_its_startup_file
    needs_root "applications change their user"
    assert_equal Etc.getpwnam("games").uid, process("owner.test")["uid"]
    assert_equal Etc.getpwnam("games").gid, process("owner.test")["gid"]
  end

  def test_an_application_of_root_runs_as_the_default_user_and_group
    needs_root "applications change their user"
    ids = [Etc.getpwnam(TestEnvironment::OTHER_USER).uid, Etc.getgrnam("nogroup").gid]
    assert_equal ids, process("root.test").values_at("uid", "gid")
  end

  def test_an_application_runs_as_the_user_that_is_named
    needs_root "applications change their user"
    daemon = Etc.getpwnam("daemon")
    assert_equal [daemon.uid, daemon.gid], process("user.test").values_at("uid", "gid")
    assert_equal Etc.getgrnam("nogroup").gid, process("group.test")["gid"]
  end

  def test_an_application_has_no_group_of_root
    needs_root "applications change their user"
    refute_includes process("user.test")["groups"], 0
  end

  def test_no_part_of_an_application_runs_as_root
    needs_root "applications change their user"
    process("rack.test")
    preloaders = server.tree.matching(/preloader/i)
    refute_empty preloaders
    assert_empty preloaders.select { |one| one.uid.zero? }
  end

  def test_an_ordinary_users_applications_run_as_that_user
    skip "the tests run as root" if TestEnvironment.root?
    assert_equal Process.uid, process("rack.test")["uid"]
  end

  {
    "PassengerMaxPoolSize" => "many", "PassengerMaxInstancesPerApp" => "-1",
    "PassengerMinInstances" => "-1",
    "PassengerStartInstances" => "some", "PassengerMaxRequests" => "1.5",
    "PassengerMemoryLimit" => "512T",
    "PassengerMaxRequestQueueSize" => "-1", "PassengerMaxRequestQueueTime" => "2weeks",
    "PassengerSpawnMethod" => "magic", "PassengerLogLevel" => "99",
    "PassengerPoolIdleTime" => "soon"
  }.each do |name, value|
    define_method("test_a_bad_value_of_#{name}_is_a_configuration_error_that_says_so") do
      output = refused_configuration { |made| made.set(name, value) }
      assert_match(/#{name} .*"#{Regexp.escape(value)}"; allowed: (a whole number|0 to|smart)/,
                   output)
    end
  end

  %w[PassengerEnabled PassengerLoadShellEnvvars PassengerUserSwitching PassengerRollingRestarts
     PassengerResistDeploymentErrors].each do |name|
    define_method("test_a_value_of_#{name}_that_is_neither_on_nor_off_is_a_configuration_error") do
      output = refused_configuration { |made| made.set(name, "perhaps") }
      assert_match(/#{name} .*perhaps.*On(,| or) Off/i, output)
    end
  end

  def test_a_limit_of_the_whole_server_counts_in_a_virtual_host_with_a_warning
    made = configuration do |one|
      one.site("rack.test", SampleApps.rack, "PassengerMaxPoolSize 1\n")
    end
    with_server(made) do |server|
      warning = /PassengerMaxPoolSize is for the whole server: move it out/
      assert_equal 1, server.log.text.scan(warning).size
      requests = Array.new(3) do
        Thread.new { server.client("rack.test").get("/slow?seconds=0.1").body[/\d+/] }
      end
      pids = requests.map(&:value)
      assert_equal 1, pids.uniq.size
    end
  end

  def test_a_limit_of_the_whole_server_has_no_place_in_a_directory
    output = refused_configuration do |made|
      made.site("rack.test", SampleApps.rack,
                "<Directory />\n  PassengerMaxInstancesPerApp 1\n</Directory>\n")
    end
    assert_match(/PassengerMaxInstancesPerApp not allowed in <Directory> context/, output)
  end

  def test_places_that_name_one_application_share_its_instances
    group = "PassengerAppGroupName both\nPassengerMaxInstances 1\n"
    folder = SampleApps.rack
    made = configuration do |one|
      one.site("one.test", folder, group)
      one.site("two.test", folder, "#{group}PassengerAppEnv staging\n")
      one.site("three.test", folder)
    end
    with_server(made) do |server|
      assert_equal server.client("one.test").pid, server.client("two.test").pid
      refute_equal server.client("one.test").pid, server.client("three.test").pid
    end
  end

  private

  # Returns httpd's message.
  def refused_configuration(&block)
    @own_server = HttpdServer.new(configuration(&block))
    output, status = @own_server.check_configuration
    refute status.success?
    output
  end
end
