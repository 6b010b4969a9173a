# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"
require_relative "support/unharmed"

# An application makes processes without end while it starts. Here the end is 500.
class AttackForksTest < IntegrationTest
  include Unharmed

  MOST = 40
  SYS_RESOURCE = 24
  # Ruby's fork waits while there are too many processes.
  BOMB = "loop { fork { sleep } }\n"
  # A busy machine needs some of it for Ruby's begin.
  LIMITED = "PassengerMaxBootProcesses #{MOST}\nPassengerStartTimeout 10\n"

  if TestEnvironment.root?
    serve do |made|
      { "bomb" => BOMB, "named" => BOMB, "honest" => nil }.each do |name, text|
        app = text ? SampleApps.written(text) : SampleApps.rack
        made.site("#{name}.test", TestEnvironment.hand_over(app, MadeUsers[name].name),
                  "#{LIMITED}PassengerFriendlyErrorPages On\nPassengerSpawnMethod direct\n")
      end
      made.site("victim.test", SampleApps.rack)
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    assert_status 200, client("victim.test").get("/hello")
  end

  def test_a_fork_bomb_gets_no_more_processes_than_the_directive_says
    most = 0
    assert_unharmed(client("victim.test"), "/hello") do
      answer = Thread.new { client("bomb.test").get("/") }
      most = [most, tasks_of("bomb")].max until answer.join(0.02)
      assert_status 500, answer.value
    end
    assert_operator most, :>, MOST / 2
    # Spawn server, keeper, and the process itself with its login shell. From Ruby 3.3 on each has a
    # thread of Ruby's own.
    assert_operator most, :<=, MOST + 8
    server.log.wait_for(/event=spawn.process_limit .*directive=PassengerMaxBootProcesses/)
    eventually("the end of the bomb") { tasks_of("bomb") <= 2 }
  end

  def test_the_report_names_the_directive
    answer = client("named.test").get("/")
    assert_status 500, answer
    assert_includes answer.body, "PassengerMaxBootProcesses"
    eventually("the end of the bomb") { tasks_of("named") <= 2 }
  end

  def test_an_application_that_has_started_has_no_such_limit
    rights = server.tree.matching(ProcessTree::RIGHTS).first
    capabilities = File.read("/proc/#{rights.pid}/status")[/^CapEff:\s+(\h+)/, 1].to_i(16)
    skip "needs CAP_SYS_RESOURCE" if capabilities[SYS_RESOURCE].zero?
    pid = client("honest.test").pid
    limits = [pid, server.pid].map { |one| File.read("/proc/#{one}/limits")[/^Max processes.*/] }
    assert_equal limits.last, limits.first
  end

  private

  # Processes and threads.
  def tasks_of(key)
    uid = MadeUsers[key].uid
    Dir.glob("/proc/[0-9]*").sum do |folder|
      File.stat(folder).uid == uid ? Dir.children("#{folder}/task").size : 0
    rescue SystemCallError
      0
    end
  end
end
