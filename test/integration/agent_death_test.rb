# frozen_string_literal: true

require_relative "support/integration_test"

# The project's own processes die: the watchdog brings them back, and applications go on.
class AgentDeathTest < IntegrationTest
  POOL = /passenger-agent\S* pool/.freeze
  WATCHDOG = /passenger-agent\S* watchdog/.freeze
  SPAWN_SERVER = /Passenger spawn server/.freeze

  serve do |made|
    made.site("rack.test", SampleApps.rack)
    made.site("other.test", SampleApps.rack)
  end

  def setup
    client.pid
  end

  def the_only(pattern)
    found = server.tree.matching(pattern)
    assert_equal 1, found.size, "#{pattern.inspect}: #{found.join(', ')}"
    found.first
  end

  # Kills it and returns the one that takes its place.
  def replacement(pattern)
    old = the_only(pattern)
    Process.kill(:KILL, old.pid)
    eventually("another #{pattern.inspect}") do
      server.tree.matching(pattern).find { |process| process.identity != old.identity }
    end
  end

  def test_a_pool_process_that_was_killed_is_replaced_and_requests_are_served
    replacement(POOL)
    eventually("the next request") { client.get("/hello").code == "200" }
    Process.kill(:KILL, client.pid)
    eventually("an instance made by the new pool process") { client.get("/hello").code == "200" }
    the_only(POOL)
  end

  def test_an_application_that_was_not_running_starts_after_the_pool_process_was_replaced
    Process.kill(:KILL, client("other.test").pid)
    replacement(POOL)
    eventually("the other application") { client("other.test").get("/hello").code == "200" }
  end

  def test_a_spawn_server_that_was_killed_does_not_keep_applications_from_starting
    Process.kill(:KILL, the_only(SPAWN_SERVER).pid)
    Process.kill(:KILL, client.pid)
    eventually("an instance") { client.get("/hello").code == "200" }
    made = SampleApps.written(SampleApps.saying("started later"))
    server.graceful { |configuration| configuration.site("later#{rand(1000)}.test", made) }
    eventually("a new application") { client(server.configuration.sites.last.name).get("/").body == "started later" }
  end

  def test_no_request_fails_while_the_pool_process_is_replaced
    stop = false
    load = Array.new(4) do |number|
      Thread.new do
        codes = Hash.new(0)
        codes[number.even? ? client.get("/hello").code : client.post("/upload", "x" * 2_000).code] += 1 until stop
        codes
      end
    end
    3.times do
      old = client.pid
      replacement(POOL)
      eventually("an instance of the new one") { client.pid != old }
    end
    stop = true
    codes = load.map(&:value).reduce { |sum, more| sum.merge(more) { |_, a, b| a + b } }
    assert_equal ["200"], codes.keys, codes.inspect
  ensure
    stop = true
    load&.each(&:join)
  end

  def test_an_agent_whose_watchdog_was_killed_is_replaced_as_a_whole
    agents = server.tree.beside_httpd.map(&:pid)
    Process.kill(:KILL, the_only(WATCHDOG).pid)
    # httpd asks every ten seconds.
    eventually("another watchdog", within: 25) { server.tree.matching(WATCHDOG).any? { |one| !agents.include?(one.pid) } }
    eventually("an answer") { client.get("/hello").code == "200" }
    eventually("the old agent has ended") { (server.tree.beside_httpd.map(&:pid) & agents).empty? }
  end

  def test_the_log_says_that_the_pool_process_died
    position = server.log.position
    old = the_only(POOL)
    Process.kill(:KILL, old.pid)
    server.log.wait_for(/\b#{old.pid}\b.*(signal|killed|died|exited)|(signal|killed|died|exited).*\b#{old.pid}\b/, from: position)
    eventually("another one") { server.tree.matching(POOL).any? { |process| process.identity != old.identity } }
  end
end
