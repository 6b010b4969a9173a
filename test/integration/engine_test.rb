# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/steady_load"

# The number of instances: enough for the load, and never more than the limits.
class EngineTest < IntegrationTest
  include CommandRunner

  # All fit into the pool, so that none ends for another.
  POOL = 16 + (2 * Etc.nprocessors)

  serve do |made|
    made.set("PassengerMaxPoolSize", POOL)
    made.site("burst.test", SampleApps.rack)
    made.site("limited.test", SampleApps.rack, "PassengerMaxInstances 2\n")
    made.site("hello.test", SampleApps.rack)
  end

  def setup
    @position = server.log.position
  end

  def test_a_burst_on_a_cold_application_gets_an_instance_for_each_request
    requests, path, started = burst("burst.test", 4)
    eventually("all four run at once") { lines(started).uniq.size == 4 }
    4.times { release(path) }
    assert_equal ["200"] * 4, requests.map { |request| request.value.code }
  end

  def test_requests_that_keep_the_processor_busy_do_not_fill_the_pool
    assert_status 200, client("hello.test").get("/hello")
    output, status = Open3.capture2e("ab", "-q", "-k", "-c", (2 * POOL).to_s, "-t", "4", "-n",
                                     "10000000",
                                     "-H", "Host: hello.test:#{server.port}",
                                     "http://127.0.0.1:#{server.port}/hello")
    assert_predicate status, :success?, output
    assert_match(/^Failed requests: +0$/, output)
    refute_match(/Non-2xx/, output)
    # Some start beside work of low priority: the processor time that it takes counts as free.
    assert_operator count(:started, "hello.test"), :<, POOL, "instances came that were no use"
    assert_equal 0, count(:idle, "hello.test") + count(:evicted, "hello.test"),
                 "instances came and went"
  end

  def test_an_application_has_no_more_instances_than_its_limit_however_many_requests_wait
    assert_at_most_two server, "limited.test"
  end

  def test_the_limit_for_all_applications_holds_for_each
    made = configuration do |one|
      one.set("PassengerMaxInstancesPerApp", 2)
      one.set("PassengerPoolIdleTime", 1)
      one.site("limited.test", SampleApps.rack, "PassengerMinInstances 0\n")
      one.site("idle.test", SampleApps.rack, "PassengerMinInstances 1\n")
    end
    with_server(made) do |server|
      assert_at_most_two server, "limited.test"
      assert_ends_surplus_instances server, "limited.test" => 0
    end
  end

  def test_instances_that_are_not_needed_end_down_to_the_minimum
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 1)
      one.site("idle.test", SampleApps.rack, "PassengerMinInstances 2\n")
    end
    with_server(made) do |server|
      requests, path, started = burst("idle.test", 4, server)
      eventually("four instances") { lines(started).uniq.size == 4 }
      4.times { release(path) }
      requests.each(&:value)
      assert_ends_surplus_instances server, "idle.test" => 2
      # Twice the time after which a surplus instance ends.
      sleep 2
      assert_equal 2, instances(server, "idle.test").size
    end
  end

  def test_the_configured_number_of_instances_starts_at_once
    # On a server of its own: in a full pool no instance ends to make room for them.
    made = configuration do |one|
      one.site("start.test", SampleApps.rack, "PassengerStartInstances 3\n")
    end
    with_server(made) do |own|
      assert_status 200, own.client.get("/hello")
      eventually("three instances") { own.log.count(/event=instance\.started/) == 3 }
      20.times { own.client.get("/hello") }
      assert_equal 3, own.log.count(/event=instance\.started/)
    end
  end

  def test_applications_share_a_full_pool_and_none_starves
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 2)
      3.times do |number|
        one.site("app#{number}.test", SampleApps.rack, "PassengerMaxRequests 20\n")
      end
    end
    with_server(made) do |server|
      most, answers = most_instances(server) { three_loads(server, 8) }
      assert_operator most, :<=, 2 + 1
      answers.each do |own|
        assert_equal [200], own.map(&:code).uniq
        # A request that waits until the load has ended would take as long. The slowest request of
        # each client is left out: the machine may have stalled.
        assert_operator own.map(&:latency).sort[-3], :<, 8, "requests waited too long"
      end
    end
  end

  private

  # Sends `count` requests that wait in the application. Returns the requests, the FIFO that they
  # wait for, and a file with a line for each instance.
  def burst(site, count, server = self.server)
    path = fifo("#{site}-#{server.port}")
    started = "#{path}.started"
    client = server.client(site)
    [Array.new(count) { Thread.new { client.get("/wait?fifo=#{path}&started=#{started}") } }, path,
     started]
  end

  def lines(path)
    File.exist?(path) ? File.readlines(path, chomp: true) : []
  end

  def assert_at_most_two(server, site)
    requests, path, started = burst(site, 6, server)
    eventually("two instances") { lines(started).uniq.size == 2 }
    # Time in which the pool would decide to start another instance.
    sleep 0.7
    app = apps.find { |one| one["root"] == root(site, server) }
    assert_equal [2, 0], [instances(server, site).size, app.fetch("starting")]
    6.times { release(path) }
    assert_equal ["200"] * 6, requests.map { |request| request.value.code }
    assert_equal 2, lines(started).uniq.size
  end

  def assert_ends_surplus_instances(server, expected)
    expected.each do |site, number|
      eventually("#{number} are left", every: 0.1) { instances(server, site).size == number }
    end
  end

  def root(site, server = self.server)
    server.configuration.sites.find { |one| one.name == site }.root
  end

  def instances(server, site)
    server.tree.matching(/RubyApp: #{Regexp.escape(root(site, server))}/)
  end

  # Lines in the log since the test began.
  def count(event, site)
    server.log.count(/event=instance\.#{event} app="#{Regexp.escape(root(site))}/, @position)
  end

  # Runs the block. Returns the largest number of instances and the block's value.
  def most_instances(server)
    most = 0
    stop = false
    sampler = Thread.new do
      until stop
        most = [most, server.tree.matching(/RubyApp/).size].max
        sleep 0.1
      end
    end
    value = yield
    stop = true
    sampler.join
    [most, value]
  ensure
    stop = true
  end

  def three_loads(server, seconds)
    loads = Array.new(3) do |number|
      SteadyLoad.new(server.client("app#{number}.test"), "/slow?seconds=0.02", 2)
    end
    sleep seconds
    eventually("answers for all") { loads.all? { |load| load.answers.size > 4 } }
    loads.map(&:stop)
  end
end
