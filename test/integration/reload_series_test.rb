# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/reopening_clients"
require_relative "support/torture/inventory"

# Reloads httpd gracefully every two seconds under load, with each MPM. PASSENGER_TEST_RELOADS is
# the number of reloads. From 20 on, the gap in answers that a reload causes has a limit.
class ReloadSeriesTest < IntegrationTest
  RELOADS = Integer(ENV.fetch("PASSENGER_TEST_RELOADS", "4"))
  EVERY = 2
  # The limit in seconds by which the median gap may exceed that of a file which httpd serves
  # itself. Few reloads on a busy machine have no useful median: httpd looks once a second for
  # missing children, and either gap may include that wait.
  SLOWER = RELOADS >= 20 ? 0.010 : 3.5
  PAUSE = RELOADS >= 20 ? 0.002 : 0.02
  CLIENTS = 3
  ONE = "PassengerMaxInstances 1\n"

  %w[event worker prefork].each do |mpm|
    define_method("test_graceful_reloads_under_#{mpm}_fail_no_request_and_leak_nothing") do
      one = configuration do |made|
        made.mpm = mpm
        made.site("rack.test", SampleApps.rack, ONE)
      end
      with_server(one) { |server| series(server, mpm) }
    end

    define_method("test_children_that_end_after_fifty_connections_under_#{mpm}_fail_no_request") do
      one = configuration do |made|
        made.mpm = mpm
        made.main_directives << "MaxConnectionsPerChild 50\n"
        made.site("rack.test", SampleApps.rack, ONE)
      end
      with_server(one) do |server|
        pid = server.client.pid
        codes = Array.new(4) { Thread.new { Array.new(100) { server.client.get("/hello").code } } }
          .flat_map(&:value)
        assert_equal({ "200" => 400 }, codes.tally)
        assert_equal pid, server.client.pid
      end
    end
  end

  private

  def series(server, mpm)
    pid = server.client.pid
    before = Inventory.of(server.tree)
    clients = ["/hello", "/static.txt"].map do |path|
      ReopeningClients.new(server, "rack.test", path, CLIENTS, pause: PAUSE)
    end
    bounds = Array.new(RELOADS) { reload(server) } << Eventually.monotonic
    clients.each(&:stop)
    judge(mpm, clients, bounds)
    assert_equal pid, server.client.pid, "the instance lives through all of them"
    eventually("as many processes and descriptors as before", within: 60, every: 0.5) do
      # The worker MPM returns with fewer children, and makes others on demand.
      assert_empty Inventory.of(server.tree).problems(before, growth,
                                                      fewer: [:httpd, *Inventory::ON_DEMAND])
    end
  ensure
    clients&.each(&:stop)
  end

  def reload(server)
    at = Eventually.monotonic
    server.graceful
    sleep [EVERY - (Eventually.monotonic - at), 0].max
    at
  end

  def judge(mpm, clients, bounds)
    assert_empty clients.flat_map(&:failures).first(10)
    own, bare = clients.map { |some| median(some.silences(bounds)) }
    puts format("\n%s, %d reloads: %d requests; median silence %.1f ms, of a file %.1f ms", mpm,
                RELOADS, clients.sum(&:answered), own * 1e3, bare * 1e3)
    assert_operator own, :<=, bare + SLOWER, "seconds"
  end

  def median(numbers)
    numbers.sort[(numbers.size - 1) / 2]
  end

  # A child has at most a channel and a connection to the agent for each client. The pool process
  # and the instances have the other ends.
  def growth
    { httpd: 4 * CLIENTS, pool: 8 * CLIENTS, instance: 4 * CLIENTS }
  end
end
