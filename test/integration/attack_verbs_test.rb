# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"
require_relative "support/unharmed"
require_relative "support/torture/hostile_pool"

# A pool process is taken over, and sends the rights process requests, also random ones. An
# application's requests are served meanwhile, by the same processes. `make attack` sends more.
class AttackVerbsTest < IntegrationTest
  include Unharmed

  REQUESTS = Integer(ENV.fetch("PASSENGER_TEST_REQUESTS", "20000"))
  ROUND = 10_000
  ORDERS = 200
  SEED = Integer(ENV.fetch("PASSENGER_TEST_SEED", "1"))

  if TestEnvironment.root?
    serve do |made|
      root = TestEnvironment.hand_over(SampleApps.rack, MadeUsers["a"].name)
      made.site("other.test", root, "PassengerMinInstances 2\nPassengerMaxInstances 2\n" \
                                    "PassengerAppLogFile #{root}/app.log\n")
      made.site("late.test", TestEnvironment.hand_over(SampleApps.rack, MadeUsers["b"].name))
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    assert_status 200, client("other.test").get("/hello")
    eventually("all instances") { instances.size == 2 }
    @watchdog = agent("watchdog")
    @pool = HostilePool.new(agent("pool"), @watchdog, values, [1, Process.pid, server.pid, *roots],
                            Random.new(SEED))
  end

  def teardown
    @pool&.close
  end

  def test_random_requests_to_the_rights_process_harm_no_application
    before = [server.pid, *roots, *instances]
    folders = registry
    rounds = 0
    until rounds * ROUND >= REQUESTS
      assert_unharmed(client("other.test"), "/hello") do
        @pool.ask(ROUND)
        @pool.order(ORDERS)
        rounds += 1
      end
    end
    assert_equal HostilePool::VERBS.sort, (@pool.answered.keys - ["no_such_verb"]).sort
    remove(registry - folders)
    assert_equal before, [server.pid, *roots, *instances]
    # The rights process does what it should for the pool process.
    assert_status 200, client("late.test").get("/hello")
  end

  def test_a_link_of_an_application_leads_to_no_file_of_a_user_without_applications
    foreign = MadeUsers["foreign"]
    secret = File.join(TestEnvironment.hand_over(SampleApps.new_folder, foreign.name), "secret")
    File.write(secret, "secret")
    File.chown(foreign.uid, foreign.gid, secret)
    File.chmod(0o600, secret)
    File.rename(app_log, "#{app_log}.1")
    File.symlink(secret, app_log)
    [{ "user" => foreign.name }, { "startup_file" => secret }, {}].each do |options|
      opened(options).each { |answer| assert_equal HostilePool::AGENT_FAILED, answer.type, answer }
    end
    File.rename("#{app_log}.1", app_log)
    opened({}).each { |answer| assert_equal HostilePool::DONE, answer.type, answer }
  end

  def test_no_folder_of_another_agent_is_removed
    other = "#{server.folder}/run/passenger.abcdef"
    FileUtils.mkdir_p(other)
    File.write("#{other}/control", "")
    File.write("#{other}/pid", "#{Process.pid}\n")
    @pool.right("remove_registry", other)
    assert_path_exists "#{other}/control"
    assert_operator registry.size, :>=, 2
  ensure
    FileUtils.rm_r(other)
  end

  private

  # The answers to requests for the log of other.test.
  def opened(options)
    options = { "app_root" => server.configuration.sites.first.root }.merge(options)
    %w[append read].map { |verb| @pool.right(verb, app_log, *options.flatten) }
  end

  def app_log
    "#{server.configuration.sites.first.root}/app.log"
  end

  def agent(name)
    server.tree.matching(/passenger-agent\S* #{name}/).first
  end

  # Those of the agent that have root's rights.
  def roots
    %w[anchor watchdog rights].map { |name| agent(name).pid }
  end

  def instances
    server.tree.matching(/\APassenger RubyApp/).select { |one| one.uid == MadeUsers["a"].uid }
          .map(&:pid).sort
  end

  def values
    root = server.configuration.sites.first.root
    ["", "0", "1", "-1", "4294967295", "99999999999999999999", "root", "nobody", "shadow",
     MadeUsers["a"].name, MadeUsers["a"].uid.to_s, "/etc/shadow", "/", "../../etc", root,
     "app_root", "user", "group", "startup_file", "start_command", "PASSENGER_EVENT=a.b",
     server.pid.to_s, instances.first.to_s]
  end

  # Folders of agents.
  def registry
    Dir.glob("#{server.folder}/**/passenger.??????")
  end

  # make_registry has made them.
  def remove(folders)
    folders.each { |folder| @pool.right("remove_registry", folder) }
    assert_empty registry & folders
  end
end
