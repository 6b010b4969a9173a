# frozen_string_literal: true

require_relative "support/hostile_neighbour"

# An application attacks the processes of other users, and takes of the machine what it can get. The
# requests of another user's application are served as before.
class AttackNeighboursTest < IntegrationTest
  include HostileNeighbour

  INSTANCES = 2
  # More than httpd keeps in memory.
  BODY = "x" * 200_000

  if TestEnvironment.root?
    serve do |made|
      { "attacker.test" => %w[hostile_app b], "other.test" => %w[rack_app a] }
        .each do |site, (app, user)|
          made.site(site, HostileNeighbour.app_of(user, app),
                    "PassengerMinInstances #{INSTANCES}\nPassengerMaxInstances #{INSTANCES}\n" \
                    "PassengerMaxLogLinesPerSecond 10\n")
        end
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    [attacker, other].each do |client|
      eventually("an answer") { client.get("/pid").code.to_i == 200 }
    end
    eventually("all instances") { others.size == INSTANCES }
    @before = others + agents
  end

  # The other application's instances and the agent are those of before.
  def teardown
    assert_equal @before, others + agents if @before && passed?
  end

  def test_an_application_sees_nothing_of_other_users_processes
    assert_unharmed(other, "/hello") do
      said = attacker.get("/look")
      assert_status 200, said
      assert_equal "", said.body
    end
  end

  def test_an_application_that_takes_all_memory_that_it_may_have_stops_nobody_else
    assert_unharmed(other, "/hello") do
      3.times { assert_operator attacker.get("/hog").body.to_i, :>, 64 << 20 }
    end
  end

  def test_an_application_that_prints_as_much_as_it_can_stops_nobody_else
    assert_unharmed(other, "/hello") do
      assert_status 200, attacker.get("/print")
      sleep 2
    end
  end

  def test_garbage_in_all_memory_that_an_application_shares_stops_nobody_else
    names = attacker.get("/names").body
    assert_includes names, "passenger-claims"
    assert_unharmed(other, "/hello") do
      assert_status 200, attacker.get("/garbage")
      sleep 2
    end
    restart_attacker
    eventually("the attacker's application") { attacker.get("/").code.to_i == 200 }
  end

  # An instance can write where it says what it works at. All else is sealed, or read-only.
  def test_an_application_changes_no_file_of_others_but_by_writing_its_own_claims
    assert_unharmed(other, "/hello") do
      FileUtils.rm_f(tampered)
      tamper
      eventually("the end of the attack") { File.size?(tampered) }
    end
    assert_equal ["body", "passenger-claims", "passenger-claims map", "passenger-claims punch",
                  "passenger-senders"], File.read(tampered).split("\n")
    restart_attacker
    eventually("the attacker's application") { attacker.get("/").code.to_i == 200 }
  end

  private

  def agents
    server.tree.matching(/passenger-agent\S* (anchor|pool|rights|watchdog)/).map(&:pid).sort
  end

  # The request itself may get no answer: its claim is gone.
  def tamper
    server.client("attacker.test", timeout: 10).post("/tamper", BODY)
  rescue Net::ReadTimeout
    nil
  end

  def tampered
    File.join(root("attacker.test"), "tampered")
  end

  def restart_attacker
    FileUtils.touch(File.join(root("attacker.test"), "tmp/restart.txt"))
    attacker.get("/")
  end
end
