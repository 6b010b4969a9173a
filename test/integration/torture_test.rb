# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/torture/inventory"
require_relative "support/torture/nonce_clients"
require_relative "support/torture/storm"
require_relative "support/torture/verdict"

# Kills and stops processes of each kind at random under load; only the requests of a killed process
# are lost. `make torture` is the long form. PASSENGER_TORTURE_SECONDS sets the duration,
# PASSENGER_TEST_SEED the random plan. The same seed repeats the plan, but not the timing.
class TortureTest < IntegrationTest
  SECONDS = Integer(ENV.fetch("PASSENGER_TORTURE_SECONDS", "10"))
  SEED = Integer(ENV.fetch("PASSENGER_TEST_SEED", Random.new_seed % 1_000_000))

  CHILDREN = 8
  # For the clients, for requests that check the service, and an eighth more.
  THREADS_OF_A_CHILD = 5
  INSTANCES = 4
  THREADS = 2
  CLIENTS = 16

  MPM = "StartServers #{CHILDREN}\nServerLimit #{CHILDREN}\n" \
        "ThreadsPerChild #{THREADS_OF_A_CHILD}\n" \
        "MaxRequestWorkers #{CHILDREN * THREADS_OF_A_CHILD}\n" \
        "MinSpareThreads #{CHILDREN * THREADS_OF_A_CHILD}\n" \
        "MaxSpareThreads #{CHILDREN * THREADS_OF_A_CHILD}\nMaxConnectionsPerChild 0"
  # All of them from the start; otherwise there would be more at the end than at the start.
  PREFORK = "StartServers #{CHILDREN * THREADS_OF_A_CHILD}\n" \
            "ServerLimit #{CHILDREN * THREADS_OF_A_CHILD}\n" \
            "MinSpareServers #{CHILDREN * THREADS_OF_A_CHILD}\n" \
            "MaxRequestWorkers #{CHILDREN * THREADS_OF_A_CHILD}"

  # Seconds. httpd looks once a second for missing children.
  AFTERWARDS = 2

  def setup
    @random = Random.new(SEED)
    @runs = noted("runs")
  end

  def test_only_requests_in_work_by_a_killed_process_are_lost
    with_server(tortured) do |server|
      assert_served(server)
      before = Inventory.of(server.tree)
      storm = Storm.new(server, @random)
      judge(server, storm) { storm.rage(SECONDS) }
      assert_served_soon(server, storm)
      eventually("as many processes and descriptors as before (PASSENGER_TEST_SEED=#{SEED})") do
        assert_empty Inventory.of(server.tree)
                              .problems(before, growth(storm), memory_files: former_claims(storm))
      end
    end
  end

  def test_a_killed_watchdog_and_a_killed_anchor_lose_nothing
    with_server(tortured) do |server|
      assert_served(server)
      storm = Storm.new(server, @random)
      judge(server, storm) do
        replaced(server) { storm.kill_watchdog }
        storm.rage(2)
        replaced(server) { storm.kill_anchor }
        storm.rage(2)
      end
      assert_served_soon(server, storm)
    end
  end

  private

  def tortured
    configuration do |made|
      made.mpm_settings = made.mpm == "prefork" ? PREFORK : MPM
      made.set("PassengerMaxPoolSize", INSTANCES)
      made.site("nonce.test", SampleApps.copy("nonce_app"),
                "PassengerMinInstances #{INSTANCES}\nPassengerThreadCount #{THREADS}\n" \
                "SetEnv RUNS #{@runs}\nSetEnv BUSY #{noted('busy')}\n")
    end
  end

  # A file that applications may write to.
  def noted(name)
    path = File.join(scratch, name)
    File.write(path, "")
    TestEnvironment.hand_over(path)
    path
  end

  # Clients send requests while the block runs.
  def judge(server, storm)
    clients = NonceClients.new(server, CLIENTS, @random)
    yield
    verdict = Verdict.new(clients.stop, storm.deaths, @runs, THREADS)
    puts "\nPASSENGER_TEST_SEED=#{SEED}: killed #{storm.deaths.map(&:kind).tally}; #{verdict}"
    problems = verdict.problems
    assert problems.empty?, "PASSENGER_TEST_SEED=#{SEED}: #{problems.size} problems:\n" \
                            "#{problems.first(10).join("\n")}"
  ensure
    clients&.stop
  end

  def replaced(server)
    began = monotonic
    yield
    assert_served(server)
    puts format("the agent served again after %.1f s", monotonic - began)
  end

  # Measures after this storm, and after another short one if the machine has stalled.
  def assert_served_soon(server, storm)
    times = [assert_served(server)]
    until times.last < AFTERWARDS || times.size == 3
      storm.rage(1, pool: false)
      times << assert_served(server)
    end
    assert_operator times.last, :<, AFTERWARDS, "seconds: #{times}"
  end

  # All clients at once. Returns the duration.
  def assert_served(server)
    began = monotonic
    codes = Array.new(CLIENTS) { Thread.new { served(server) } }.map(&:value)
    assert_equal ["200"], codes.uniq
    monotonic - began
  end

  def served(server)
    server.client.get("/", "X-Nonce" => "calm", "X-Wanted" => "0").code
  end

  # A child may have a channel and a connection to the agent for each of its threads, and keeps a
  # descriptor of each earlier agent. The pool process has the other ends, and an instance those of
  # all channels. Each memory file of former claims has a descriptor.
  def growth(storm)
    all = CHILDREN * THREADS_OF_A_CHILD
    { httpd: 2 * THREADS_OF_A_CHILD + storm.count(:pool), pool: 2 * all, instance: all,
      **former_claims(storm).slice(:watchdog, :anchor) }
  end

  # While an instance lives that a new pool process has taken over, that process keeps the claims
  # that the instance had before. The watchdog and the anchor keep them for the next pool process.
  def former_claims(storm)
    %i[pool watchdog anchor].to_h { |kind| [kind, storm.count(:pool)] }
  end
end
