# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/control_client"
require_relative "support/taken_over_child"
require_relative "support/unharmed"

# A child of httpd is taken over, and asks the agent for applications that the configuration does
# not have. The attacker also owns an application. httpd's parent does not know all folders.
class AttackRightsTest < IntegrationTest
  include TakenOverChild
  include Unharmed

  # Each is the start command of one section.
  COMMANDS = %w[-W0 -W1 -W2 -w].map { |option| "#{RbConfig.ruby} #{option} server.rb" }.freeze

  if TestEnvironment.root?
    serve do |made|
      made.set("PassengerMaxPoolSize", 40)
      TakenOverChild.hide_folders(made)
      made.site("victim.test", handed(SampleApps.rack, "a"),
                "PassengerUser #{MadeUsers["a"].name}\nPassengerTasksMax 500\n")
      made.site("command.test", handed(SampleApps.copy("http_app"), "a"),
                "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n" \
                "PassengerUser #{MadeUsers["a"].name}\nSetEnv RUBYOPT -W:no-deprecated\n")
      made.site("attacker.test", handed(SampleApps.rack, "b"))
      made.site("sections.test", handed(SampleApps.copy("http_app"), "a"), sections)
      made.site("merged.test", handed(SampleApps.copy("http_app"), "a"), overlapping_sections)
    end

    def self.sections
      %w[a b].zip(COMMANDS.first(2)).map do |key, command|
        "<If \"%{QUERY_STRING} == '#{key}'\">\nPassengerUser #{MadeUsers[key].name}\n" \
          "PassengerAppStartCommand \"#{command}\"\n</If>\n"
      end.join
    end

    # User and command of a request are those of two sections.
    def self.overlapping_sections
      "<Location />\nPassengerUser #{MadeUsers["a"].name}\n" \
        "PassengerAppStartCommand \"#{COMMANDS[2]}\"\n</Location>\n" \
        "<If \"%{QUERY_STRING} == 'other'\">\n" \
        "PassengerAppStartCommand \"#{COMMANDS[3]}\"\n</If>\n"
    end

    def self.handed(folder, key)
      TestEnvironment.hand_over(folder, MadeUsers[key].name)
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    %w[victim.test attacker.test].each { |site| assert_status 200, client(site).get("/hello") }
    @child = child_of(server)
    @position = server.log.position
    @load = SteadyLoad.new(client("victim.test"), "/hello", 1)
  end

  # No test fails a request of the victim.
  def teardown
    @child&.close
    return unless @load

    bad = @load.stop.reject { |answer| answer.code == 200 }
    assert_empty bad.first(5)
  end

  def test_an_application_runs_as_its_owner_whatever_user_is_asked_for
    assert_refused(%(no PassengerUser "games"), "user" => "games")
    assert_refused(%(PassengerUser "#{victim.name}", but not for the folder), "user" => victim.name)
    assert_refused(%(no PassengerGroup "shadow"), "group" => "shadow")
    assert_refused(%(no PassengerGroup "shadow"), "user" => victim.name, "group" => "shadow")
  end

  def test_no_other_program_is_executed
    program = File.join(evil("program"), "program")
    File.write(program, "#!/bin/sh\ntouch #{traces_folder}/executed\n")
    File.chmod(0o755, program)
    assert_refused(%(no PassengerRuby "#{program}"), "ruby" => program)
    assert_refused(%(no PassengerAppStartCommand "#{program}"), "start_command" => program)
    assert_refused(%(no PassengerNodejs "#{program}"), "nodejs" => program, "app_type" => "node")
    assert_refused(%(no PassengerAppStartCommand "#{program}"),
                   "start_command" => program, "user" => victim.name, "app_root" => root("victim"))
    command = "#{RbConfig.ruby} server.rb"
    assert_refused(%(PassengerAppStartCommand "#{command}", but not for the folder),
                   "start_command" => command, "user" => victim.name, "startup_file" => "")
  end

  def test_the_default_user_and_the_switch_of_users_are_those_of_the_configuration
    folder = evil("default")
    FileUtils.chown_R("root", "root", folder)
    assert_started(folder, "nobody", "default", "default_user" => victim.name,
                                                "default_group" => "shadow")
    folder = evil("switch")
    assert_started(folder, attacker.name, "switch", "user_switching" => "0",
                                                    "default_user" => victim.name)
  end

  def test_no_variable_chooses_the_code_of_another_users_application
    code = File.join(evil("code"), "code.rb")
    File.write(code, format(TELL, place: traces_folder, what: "preloaded"))
    File.chmod(0o644, code)
    ask(root("victim"), "env:RUBYOPT" => "-r#{code}", "user" => victim.name,
                        "environment" => "preloaded", "tasks_max" => "500")
    server.log.wait_for(/event=spawn.variable_ignored app=\S+ .*name="RUBYOPT"/, from: @position)
    eventually("an instance") { server.tree.matching(/RubyApp: .*preloaded/).any? }
    assert_empty traces
  end

  def test_an_application_gets_no_name_of_another_one
    name = "#{root("victim")} (production) as #{victim.name}"
    assert_refused(%(no PassengerAppGroupName "#{name}"), "app_group_name" => name)
    assert_status 200, client("victim.test").get("/hello")
  end

  # What the watchdog keeps of drains and pauses has names in lines.
  def test_no_application_has_a_name_of_several_lines
    name = "x\n9223372036854775807 #{root("victim")} (production)"
    eventually("the refusal", every: 1) do
      ask(evil("lines"), "app_group_name" => name)
      server.log.text(@position).match?(/attach.refused .*app="x\\n922.*has a control character/)
    end
    assert_empty traces
  end

  def test_no_application_has_a_name_that_fills_the_log
    ended = /attach.refused .*app="n{500}" reason="the name has more than 4096 bytes"$/
    eventually("the refusal", every: 1) do
      ask(evil("long"), "app_group_name" => "n" * 100_000)
      server.log.text(@position).match?(ended)
    end
    assert_empty traces
  end

  def test_questions_that_are_refused_harm_no_other_application
    folder = evil("refused")
    @child.close
    @child = nil
    # A server of its own: for a while the log takes no further line about children.
    with_server(server.configuration) do |other|
      assert_status 200, other.client("victim.test").get("/hello")
      with_child_of(other) do |child|
        assert_unharmed(other.client("victim.test"), "/hello") do
          100.times { ask(folder, { "user" => "games" }, child) }
        end
      end
    end
    assert_empty traces
  end

  def test_applications_that_run_nothing_of_others_harm_no_other_application
    number = 0
    assert_unharmed(client("victim.test"), "/hello") do
      folder = evil("own#{number += 1}")
      ask(folder, {})
      eventually("a trace") { traces.any? { |name| name.end_with?("own#{number}") } }
    end
    assert_equal ["#{attacker.uid}-#{attacker.gid}"], traces.map { |name| name[/\d+-\d+/] }.uniq
  end

  def test_a_refusal_is_logged_once_and_counted_each_time
    folder = evil("again")
    @child.close
    @child = nil
    # A server of its own: for a while the log takes no further line about children.
    with_server(server.configuration) do |other|
      assert_status 200, other.client("victim.test").get("/hello")
      with_child_of(other) do |child|
        before = refused(other)
        [{ "user" => "games" }, { "group" => "shadow" }, { "user" => "games" }].each do |options|
          10.times { ask(folder, options, child) }
        end
        # A status may be a little old.
        eventually("the count") { refused(other) - before == 30 }
        assert_equal 2, lines_of_refusals(other).size, lines_of_refusals(other).join
        other.graceful
        eventually("a line after the reload") do
          ask(folder, { "user" => "games" }, child)
          lines_of_refusals(other).size == 3
        end
      end
    end
  end

  def test_the_limit_of_log_lines_is_not_lifted
    assert_refused("no PassengerMaxLogLinesPerSecond 0", "max_log_lines" => "0")
  end

  def test_a_configuration_of_many_values_is_compared_as_a_small_one
    made = configuration do |one|
      TakenOverChild.hide_folders(one)
      one.site("victim.test", self.class.handed(SampleApps.rack, "a"),
               "PassengerUser #{victim.name}\n#{many_values}")
    end
    @child.close
    @child = nil
    with_server(made) do |server|
      assert_status 200, server.client.get("/hello")
      with_child_of(server) do |child|
        position = server.log.position
        child.ask_for("app_root" => evil("many"), "environment" => "production",
                      "ruby" => RbConfig.ruby, "startup_file" => "config.ru", "user" => "games")
        server.log.wait_for(/attach.refused .*no PassengerUser \\"games\\"/, from: position)
      end
      assert_empty traces
    end
  end

  def test_values_that_two_sections_set_differently_are_not_mixed
    %w[/?a /?b].each { |path| assert_status 200, client("sections.test").get(path) }
    [victim, attacker].zip(COMMANDS.first(2).reverse).each do |user, command|
      assert_refused(%[no place with all of this application's settings (user "#{user.name}"],
                     "start_command" => command, "user" => user.name, "startup_file" => "",
                     "app_root" => root("sections"))
    end
  end

  def test_values_of_sections_that_overlap_are_merged
    position = server.log.position
    ["/", "/?other"].each { |path| assert_status 200, client("merged.test").get(path) }
    assert_equal 0, server.log.count(/attach\.refused/, position)
  end

  def test_an_application_has_the_limits_of_its_own_virtual_host
    assert_refused("no PassengerTasksMax 501", "tasks_max" => "501")
    ask(root("victim"), "environment" => "unlimited", "user" => victim.name)
    server.log.wait_for(/the folder #{root("victim")} has other values than PassengerTasksMax 0\./,
                        from: @position)
    assert_empty server.tree.matching(/RubyApp: .*unlimited/)
  end

  private

  def with_child_of(server)
    child = child_of(server)
    yield child
  ensure
    child&.close
  end

  # More than fits into a frame between other processes (1 MiB).
  def many_values
    lines = Array.new(400) { |number| "SetEnv MANY_#{number} #{"x" * 4000}\n" }
    "<Location /never>\n#{lines.join}</Location>\n"
  end

  def refused(server)
    ControlClient.in(File.join(server.folder, "run")).status.fetch("attaches_refused")
  end

  def lines_of_refusals(server)
    server.log.text.lines.grep(/event=attach\.refused/)
  end

  def assert_started(folder, user, what, options)
    ask(folder, options)
    account = Etc.getpwnam(user)
    eventually("a trace") { traces.any? { |name| name.end_with?(what) } }
    assert_includes traces, "#{account.uid}-#{account.gid}-#{what}"
  end
end
