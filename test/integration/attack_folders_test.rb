# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/taken_over_child"
require_relative "support/unharmed"

# A child of httpd is taken over, and asks the agent for applications in other folders, with other
# environments, and with the name of an application that PassengerAppGroupName gives. The attacker
# also owns an application.
class AttackFoldersTest < IntegrationTest
  include TakenOverChild
  include Unharmed

  NOWHERE = "no place with all of this application's settings"
  NAMED = "PassengerAppGroupName shared\nPassengerMinInstances 1\n"

  if TestEnvironment.root?
    serve do |made|
      made.set("PassengerMaxPoolSize", 20)
      # Each virtual host may have it: only the folder tells the attacker's request.
      made.set("PassengerMinInstances", 3)
      { "victim" => ["a", NAMED],
        "limited" => ["a", "PassengerMinInstances 1\nPassengerMaxInstances 2\n"],
        "attacker" => ["b", "PassengerMinInstances 1\n"] }.each do |site, (key, directives)|
        folder = TestEnvironment.hand_over(SampleApps.rack, MadeUsers[key].name)
        made.site("#{site}.test", folder, directives)
      end
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
  end

  def teardown
    @child&.close
  end

  def test_no_folder_runs_that_no_virtual_host_has
    takes_over(server)
    assert_refused(NOWHERE, {})
    # A file that any user may read, in the folder of a third one.
    folder = evil("third")
    TestEnvironment.hand_over(folder, "games")
    assert_refused(NOWHERE, {}, folder)
  end

  # Consoles and backtraces of a development environment are for developers only.
  def test_no_application_runs_in_an_environment_that_the_configuration_does_not_name
    takes_over(server)
    assert_refused(%(no PassengerAppEnv "development"), { "environment" => "development" },
                   root("victim"))
  end

  def test_an_application_listens_where_the_configuration_says
    takes_over(server)
    assert_refused(%(no PassengerDirectInstanceRequestAddress "0.0.0.0"),
                   { "instance_address" => "0.0.0.0" }, root("victim"))
  end

  def test_an_application_has_as_many_instances_and_as_much_time_as_the_configuration_says
    takes_over(server)
    { "min_instances" => "20", "max_instances" => "9", "start_instances" => "9",
      "min_spare_instances" => "9", "max_spare_instances" => "9",
      "max_requests" => "1", "refork_after" => "1",
      "heartbeat_timeout" => "1", "start_timeout" => "1", "stop_timeout" => "600",
      "max_preloader_idle_time" => "0" }.each do |setting, value|
      directive = "Passenger#{setting.split("_").map(&:capitalize).join}"
      assert_refused("no #{directive} #{value}", { setting => value }, root("victim"))
    end
  end

  def test_an_application_lives_as_the_configuration_says
    takes_over(server)
    { "thread_count" => "9", "rolling_restarts" => "0", "resist_deployment_errors" => "0",
      "priority_queue" => "1", "preload_bundler" => "1", "load_shell_envvars" => "0",
      "max_request_queue_size" => "9", "queue_target" => "9", "restart_dir" => "/tmp/x",
      "spawn_method" => "direct", "warm_up" => "/slow" }.each do |setting, value|
      directive = "Passenger#{setting.split("_").map(&:capitalize).join}"
      shown = { "0" => "Off", "1" => "On", "9" => "9" }.fetch(value, %("#{value}"))
      assert_refused("no #{directive} #{shown}", { setting => value }, root("victim"))
    end
  end

  def test_an_application_has_no_more_instances_than_its_virtual_host_lets_it_have
    takes_over(server)
    # What no directive says is the default: as many as the pool has room for.
    folder = Regexp.escape(root("limited"))
    position = server.log.position
    eventually("the refusal", every: 1) do
      ask(root("limited"), {})
      server.log.text(position)
            .match?(/attach.refused .*#{NOWHERE} .*#{folder}\\", PassengerMaxInstances 0\)/)
    end
    assert_status 200, server.client("limited.test").get("/hello")
  end

  def test_no_folder_of_others_gets_the_requests_of_a_name
    takes_over(server)
    assert_name_is_refused(server, /attach.refused .*#{NOWHERE}/)
  end

  # The rights process compares the owners.
  def test_no_folder_of_others_gets_the_requests_of_a_name_where_links_decide_about_folders
    made = server.configuration.dup
    made.main_directives = "PassengerResolveSymlinksInDocumentRoot On\n"
    with_server(made) do |other|
      takes_over(other)
      assert_name_is_refused(
        other, /spawn.failed .*has PassengerAppGroupName \\"shared\\", but not for the folder/
      )
      @child.close
      @child = nil
    end
  end

  private

  def takes_over(server)
    %w[victim.test attacker.test].each do |site|
      assert_status 200, server.client(site).get("/hello")
    end
    @child = child_of(server)
  end

  # Each instance of that name beyond the first one would be the attacker's.
  def assert_name_is_refused(server, line)
    folder = evil("named")
    # The agent logs ten refusals in ten seconds.
    position = server.log.position
    assert_unharmed(server.client("victim.test"), "/hello") do
      eventually("the refusal", every: 1) do
        ask(folder, { "app_group_name" => "shared", "min_instances" => "3" })
        traces.any? || server.log.text(position).match?(line)
      end
    end
    assert_empty traces
  end
end
