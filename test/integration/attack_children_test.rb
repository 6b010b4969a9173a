# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/torture/hostile_child"
require_relative "support/torture/nonce_clients"
require_relative "support/torture/storm"
require_relative "support/unharmed"

# An application and one of httpd's children write arbitrary bytes wherever they can. Another
# application, of another user, is served meanwhile.
class AttackChildrenTest < IntegrationTest
  include Unharmed

  SECONDS = Integer(ENV.fetch("PASSENGER_TORTURE_SECONDS", "10"))
  SEED = Integer(ENV.fetch("PASSENGER_TEST_SEED", Random.new_seed % 1_000_000))
  USERS = { "nonce.test" => "games", "hostile.test" => TestEnvironment::OTHER_USER }.freeze
  # Seconds of each window without an attack.
  PEACE = 2
  INSTANCES = 2
  # Parts of a second, as in /proc/PID/stat.
  TICKS = 100
  COMPLAINTS = /event=(connection|accept)\./.freeze

  def test_nonsense_from_an_application_and_a_child_harms_neither_agent_nor_other_applications
    needs_root "it takes descriptors out of other processes"
    with_server(made) do |server|
      USERS.each_key { |site| assert_status 200, first_request(server, site) }
      agents = agents_of(server)
      began = monotonic
      assert_as_quick_as_before(server) { rage(server) }
      assert_equal agents.map(&:identity), agents_of(server).map(&:identity),
                   "the agent is the same"
      # Ten of a kind in ten seconds.
      assert_operator server.log.count(COMPLAINTS), :<, 20 + 2 * (monotonic - began).ceil
      in_one_of(5) { assert_calm agents }
      assert_hostility_ends(server)
    end
  end

  private

  def made
    configuration do |one|
      one.set("PassengerMaxPoolSize", 2 * INSTANCES)
      USERS.each_key { |site| one.site(site, app(site), directives(site)) }
    end
  end

  def app(site)
    TestEnvironment.hand_over(SampleApps.copy("nonce_app"), USERS.fetch(site))
  end

  def directives(site)
    text = +"PassengerMinInstances #{INSTANCES}\nPassengerMaxInstances #{INSTANCES}\n" \
            "SetEnv RUNS #{noted(site, 'runs')}\n"
    text << "SetEnv HOSTILE #{flag}\n" if site == "hostile.test"
    text
  end

  # A file in a folder that the application's user may write to.
  def noted(site, name)
    folder = File.join(scratch, site)
    FileUtils.mkdir_p(folder)
    FileUtils.touch(File.join(folder, name))
    TestEnvironment.hand_over(folder, USERS.fetch(site))
    File.join(folder, name)
  end

  # There is none yet.
  def flag
    @flag ||= noted("hostile.test", "hostile").tap { |path| File.unlink(path) }
  end

  def assert_as_quick_as_before(server, &attack)
    figures = []
    until unharmed?(figures)
      flunk "p99 before and during the attack: #{figures.inspect}" if figures.size == WINDOWS

      figures << [-> { sleep PEACE }, attack].map do |window|
        exchanges = asked_while(server, &window)
        assert_answered exchanges
        slowest(exchanges.map(&:seconds)).round(4)
      end
    end
  end

  # Returns the outcome of requests to the harmless application. Requests to the other one may fail.
  def asked_while(server)
    random = Random.new(SEED)
    clients = [NonceClients.new(server, 6, random, site: "nonce.test"),
               NonceClients.new(server, 3, random, site: "hostile.test", patience: 2)]
    yield
    clients.map(&:stop).first
  ensure
    clients&.each(&:stop)
  end

  def agents_of(server)
    [Storm::WATCHDOG, Storm::POOL].map do |pattern|
      server.tree.descending.find { |process| process.command_line.match?(pattern) }
    end
  end

  def rage(server)
    FileUtils.touch(flag)
    # A child has its descriptors only after its first request.
    hostile = eventually("a child with a way to the agent and the queues") { hostile_child(server) }
    ending = monotonic + SECONDS
    while monotonic < ending
      100.times { hostile.act }
      assert_nothing_shared(server)
    end
    assert_operator hostile.welcomes, :>, 0, "the agent has listened"
  ensure
    FileUtils.rm_f(flag)
    hostile&.close
  end

  def hostile_child(server)
    children = server.tree.httpd_children
    HostileChild.new(children.first, ProcessInfo.read(server.pid), children.drop(1),
                     Random.new(SEED)) { hostile_channels }
  end

  def hostile_channels
    File.read("#{flag}.channels").split.map(&:to_i)
  rescue Errno::ENOENT
    []
  end

  # If instances of both applications had an end of the same reply channel, it would be in both
  # lists.
  def assert_nothing_shared(server)
    sockets = server.tree.descending.select do |process|
      process.command_line.match?(Storm::INSTANCE)
    end
                    .group_by(&:uid).transform_values do |some|
                      some.flat_map { |process| sockets_of(process) }
                    end
    assert_empty(sockets.fetch(Etc.getpwnam("games").uid,
                               []) & sockets.fetch(Etc.getpwnam("daemon").uid, []))
  end

  def sockets_of(process)
    process.descriptors.values.grep(/\Asocket:/)
  end

  def assert_answered(exchanges)
    failed = exchanges.reject { |exchange| exchange.outcome == 200 && exchange.wrong.nil? }
    assert failed.empty?, "PASSENGER_TEST_SEED=#{SEED}: #{failed.size} of #{exchanges.size}:\n" \
                          "#{failed.first(10).join("\n")}"
  end

  def assert_calm(agents)
    before = ticks(agents)
    sleep 1
    assert_operator ticks(agents) - before, :<, TICKS / 5
  end

  def ticks(processes)
    processes.sum { |process| ProcessInfo.read(process.pid).ticks }
  end

  # The application's false statements about requests end with its instances. A false request of the
  # child that still waits in the queue can hold an instance, so each try begins with new instances.
  def assert_hostility_ends(server)
    eventually("the application that was hostile", within: 60) do
      renew_instances(server, server.configuration.sites.last.root)
      5.times { assert_status 200, first_request(server, "hostile.test", timeout: 10) }
    rescue Net::ReadTimeout
      false
    end
  end

  def renew_instances(server, root)
    FileUtils.touch(File.join(root, "tmp/restart.txt"))
    server.tree.matching(/Passenger RubyApp.*#{root}/).each do |instance|
      Process.kill(:KILL, instance.pid)
    rescue Errno::ESRCH
      nil # The restart was quicker.
    end
  end

  def first_request(server, site, **options)
    server.client(site, **options).get("/", "X-Nonce" => "first", "X-Wanted" => "0")
  end
end
