# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/control_client"
require_relative "support/made_users"
require_relative "support/unharmed"

# An application takes more memory, and makes more processes, than its control group allows. The
# kernel must have given the controllers to version 2 of its interface.
class AttackGroupsTest < IntegrationTest
  include Unharmed

  MEGABYTES = 300
  TASKS = 60
  # Ruby's own fork tries again for ever where the kernel refuses it; a shell ends.
  HOSTILE = <<~'RUBY'.sub("MEGABYTES", MEGABYTES.to_s)
    def bomb
      `for i in $(seq 500); do echo $i; sleep 600 >/dev/null 2>&1 & done 2>/dev/null`.lines.size
    end

    run(lambda { |env|
      case env["PATH_INFO"]
      when "/hog" then "x" * (2 * MEGABYTES << 20)
      when "/bomb" then said = bomb.to_s
      end
      [200, {}, [said || "hello"]]
    })
  RUBY

  if TestEnvironment.root?
    serve do |made|
      hostile = TestEnvironment.hand_over(SampleApps.written(HOSTILE), MadeUsers["b"].name)
      made.site("attacker.test", hostile,
                "PassengerMemoryMax #{MEGABYTES}\nPassengerTasksMax #{TASKS}\n" \
                "PassengerSpawnMethod direct\n")
      made.site("other.test", TestEnvironment.hand_over(SampleApps.rack, MadeUsers["a"].name))
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    %w[attacker.test other.test].each do |site|
      eventually("an answer") { client(site).get("/").code.to_i < 400 }
    end
    without = server.log.text[/event=cgroups\.(?:limit_without_effect|off) .*/]
    skip without if without
  end

  def test_a_memory_hog_is_killed_in_its_group
    assert_unharmed(client("other.test"), "/hello") do
      assert_status 502, client("attacker.test").get("/hog")
    end
    eventually("the next instance") { client("attacker.test").get("/").code == "200" }
    assert_operator counters.fetch("memory_kills"), :>, 0
    server.log.wait_for(/event=cgroups\.limit_reached app="#{attacker} .*PassengerMemoryMax/)
  end

  def test_a_fork_bomb_stays_within_its_group
    assert_unharmed(client("other.test"), "/hello") do
      answer = client("attacker.test").get("/bomb")
      assert_operator answer.body.to_i, :<=, TASKS
    end
    assert_operator counters.fetch("tasks_refused"), :>, 0
    server.log.wait_for(/event=cgroups\.limit_reached app="#{attacker} .*PassengerTasksMax/)
  end

  private

  def attacker
    server.configuration.sites.first.root
  end

  def counters
    status = ControlClient.in(File.join(server.folder, "run")).status
    status["apps"].find { |app| app["root"] == attacker }.fetch("counters")
  end
end
