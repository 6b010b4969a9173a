# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"
require_relative "support/unharmed"

# An application attacks the processes of other users, and takes of the machine what it can get. The
# requests of another user's application are served as before.
class AttackNeighboursTest < IntegrationTest
  include Unharmed

  INSTANCES = 2

  if TestEnvironment.root?
    serve do |made|
      { "attacker.test" => %w[hostile_app b], "other.test" => %w[rack_app a] }
        .each do |site, (app, user)|
          made.site(site, TestEnvironment.hand_over(SampleApps.copy(app), MadeUsers[user].name),
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
    control = Dir.glob("#{server.folder}/**/passenger.*/control").first
    refute_nil control
    assert_unharmed(other, "/hello") do
      said = attacker.get("/look?#{control}")
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

  # The process that a preloader names as its fork is not the other application's.
  def test_a_preloader_that_names_a_foreign_process_as_its_own_gets_it_neither_served_nor_killed
    File.write(lie, others.first.to_s)
    restart_attacker
    assert_unharmed(other, "/hello") do
      server.log.wait_for(/is not the process that was started: .*instead of/, from: @log_position)
    end
    File.write(lie, "")
    restart_attacker
    eventually("the attacker's application") { attacker.get("/").code.to_i == 200 }
  end

  private

  def attacker
    client("attacker.test")
  end

  def other
    client("other.test")
  end

  # The pids of the other application's instances.
  def others
    server.tree.matching(/\APassenger RubyApp/).select { |one| one.uid == MadeUsers["a"].uid }
          .map(&:pid).sort
  end

  def agents
    server.tree.matching(/passenger-agent\S* (anchor|pool|rights|watchdog)/).map(&:pid).sort
  end

  def folder
    server.configuration.sites.first.root
  end

  def lie
    File.join(folder, "lie")
  end

  def restart_attacker
    FileUtils.touch(File.join(folder, "tmp/restart.txt"))
    attacker.get("/")
  end
end
