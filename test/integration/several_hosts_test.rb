# frozen_string_literal: true

require_relative "support/deployment"
require_relative "support/haproxy"
require_relative "support/integration_test"
require_relative "support/open_load"
require_relative "support/playbook"
require_relative "support/several_hosts"

# The example of doc/scale-out with two hosts: requests that one of them does not begin run on the
# other one, once.
class SeveralHostsTest < IntegrationTest
  include SeveralHosts

  # The waiting requests of these tests do not make the host unhealthy.
  FULL = "PassengerMaxInstances 1\nPassengerMaxRequestQueueSize 1\n" \
         "PassengerRequestQueueOverflowStatusCode 425\nPassengerHealthQueueAge 600\n"
  # Fits into HAProxy's buffer.
  SMALL = "x" * 14_000
  # Does not.
  LARGE = "x" * 16_000
  # Requests that the full host has refused, of each kind, that a test waits for.
  REFUSALS = 3
  MOST = 3_000

  # Of the load: requests a second, and seconds that each takes.
  RATE = 30
  SERVICE = 0.3

  # HAProxy takes the hosts by turns, and each of them gets both.
  VERBS = %w[get get post post].freeze

  Sent = Struct.new(:id, :verb, :code, :asked, :answered, keyword_init: true)

  def setup
    skip "haproxy is not installed" unless Haproxy.binary
  end

  def test_what_a_full_host_refuses_runs_on_the_other_one_once
    with_a_full_host do |full, haproxy|
      sent = send_until_refused(full, haproxy)
      assert_equal ["200"], sent.map(&:code).uniq
      assert_equal [1], sent.map { |one| runs(one.id) }.uniq
    end
  end

  # The client learns that it may come again.
  def test_a_body_beyond_the_balancers_buffer_is_not_given_to_another_host
    with_a_full_host do |full, haproxy|
      sent = send_until_refused(full, haproxy, %w[post], LARGE)
      refused, served = sent.partition { |one| one.code == "503" }
      assert_equal refusals(full, "POST"), refused.size
      assert_equal ["200"], served.map(&:code).uniq
      assert_equal [0], refused.map { |one| runs(one.id) }.uniq
      assert_equal [1], served.map { |one| runs(one.id) }.uniq
    end
  end

  def test_without_the_rules_of_the_example_the_client_sees_the_refusal
    plain = lambda do |text|
      text = Haproxy.substitute(text, "retry-on conn-failure 425", "retry-on conn-failure")
      Haproxy.substitute(text, "http-response set-status", "# ")
    end
    with_a_full_host(plain) do |full, haproxy|
      sent = send_until_refused(full, haproxy)
      assert_equal %w[200 425], sent.map(&:code).uniq.sort
      sent.each { |one| assert_equal one.code == "200" ? 1 : 0, runs(one.id) }
    end
  end

  def test_an_applications_own_503_is_not_repeated
    with_hosts(FULL) do |hosts|
      with_haproxy(hosts) do |haproxy|
        8.times { assert_status 503, through(haproxy).post("/status/503", SMALL) }
        ran = eventually("entries in the access logs") do
          lines = hosts.values.sum { |host| accesses(host, %r{^POST /status/503 503 }).size }
          lines if lines >= 8
        end
        assert_equal 8, ran
      end
    end
  end

  def test_a_client_stays_on_its_host
    sticky = lambda do |text|
      Haproxy.substitute(text, "balance roundrobin\n",
                         "balance roundrobin\n    #{documented('cookie HOST')}")
             .gsub(/^ *server (\w).*$/, '\0 cookie \1')
    end
    with_hosts("PassengerMaxInstances 1\n") do |hosts|
      with_haproxy(hosts, sticky) { |haproxy| 3.times { assert_sticky(through(haproxy)) } }
    end
  end

  def test_the_death_of_a_host_costs_at_most_the_requests_in_flight
    with_hosts("PassengerMaxInstances 2\nPassengerThreadCount 10\n") do |hosts|
      with_haproxy(hosts) do |haproxy|
        load = OpenLoad.new(RATE) { |number| send_one(haproxy, number, SERVICE) }
        load.wait_for(2 * RATE)
        ending = kill_host(hosts["b"])
        haproxy.silence("b")
        eventually("the end of the host in HAProxy's eyes") { haproxy.down?("b") }
        down = Eventually.monotonic
        load.wait_for(load.begun + 3 * RATE)
        assert_harmless(load.stop, ending, down)
      ensure
        load&.stop
      end
    end
  end

  # The first host has a new version then, and the others serve with the old one.
  def test_a_deployment_ends_at_the_first_host_that_fails
    with_hosts("PassengerMaxInstances 1\n") do |hosts|
      before = hosts.transform_values { |host| host.client.pid }
      script = Deployment.new(hosts, scratch)
      ["[ $1 = a ]\n", broken(hosts["b"])].each do |new_version|
        output, status = script.run(new_version)
        assert_equal 1, status, output
        assert_match(/^deploy: b has failed$/, output)
        hosts.each_value { |host| assert_status 200, host.client.get("/health") }
        refute_equal before["a"], before["a"] = hosts["a"].client.pid
        assert_equal before["b"], hosts["b"].client.pid
      end
    end
  end

  def test_a_host_that_cannot_be_reached_ends_the_deployment
    with_hosts("PassengerMaxInstances 1\n") do |hosts|
      before = hosts["b"].client.pid
      output, status = Deployment.new(hosts, scratch).run("exit 0", %w[x b])
      assert_equal 1, status, output
      assert_match(/^deploy: x has failed$/, output)
      assert_equal before, hosts["b"].client.pid
    end
  end

  def test_a_playbook_of_ansible_deploys_host_after_host_and_ends_at_the_first_failure
    skip "ansible is not installed" unless Playbook.installed?
    with_hosts("PassengerMaxInstances 1\n") do |hosts|
      before = hosts.transform_values { |host| host.client.pid }
      playbook = Playbook.new(hosts, scratch)
      output, status = playbook.run("true")
      assert_equal 0, status, output
      after = hosts.transform_values { |host| host.client.pid }
      hosts.each_key { |name| refute_equal before[name], after[name], output }
      output, status = playbook.run("test {{ inventory_hostname }} = b")
      refute_equal 0, status, output
      assert_equal(after, hosts.transform_values { |host| host.client.pid })
      hosts.each_value { |host| assert_status 200, host.client.get("/health") }
    end
  end

  private

  # The command of a version that does not start on this host.
  def broken(host)
    file = File.join(host.configuration.sites.first.root, "config.ru")
    "[ $1 = a ] || echo \"raise 'broken on purpose'\" >#{file}\n"
  end

  def assert_harmless(sent, killing, down)
    failed = sent.reject { |one| one.code == "200" }
    in_flight = sent.select { |one| one.asked <= killing.end && one.answered >= killing.begin }
    puts format("\n%d requests over the death of a host: %d were in flight, %d failed",
                sent.size, in_flight.size, failed.size)
    assert_empty failed - in_flight
    assert_operator sent.count { |one| one.asked > down }, :>=, RATE
    posts = sent.select { |one| one.verb == "post" }
    assert_operator posts.map { |one| runs(one.id) }.max, :<=, 1, "a POST ran twice"
    served = sent - failed
    assert_equal [1], served.map { |one| runs(one.id) }.uniq
  end

  def with_haproxy(hosts, change = nil)
    haproxy = Haproxy.new(scratch, hosts).start(&change)
    eventually("hosts that are up") { hosts.each_key.all? { |name| haproxy.up?(name) } }
    yield haproxy
  ensure
    haproxy&.stop
  end

  def through(haproxy)
    HttpClient.new(haproxy.port, "rack.test")
  end

  # Yields a host whose queue is full, and HAProxy in front of it and another one.
  def with_a_full_host(change = nil)
    with_hosts(FULL) do |hosts|
      with_haproxy(hosts, change) do |haproxy|
        full = hosts["a"]
        gate = fifo
        held = [in_work(full, gate)]
        held << waiting(full)
        yield full, haproxy
        release(gate)
        held.each { |request| assert_status 200, request.value }
      end
    end
  end

  # A request that keeps the host's only instance.
  def in_work(host, gate)
    started = File.join(scratch, "started")
    Thread.new { host.client.get("/wait?fifo=#{gate}&started=#{started}") }.tap do
      eventually("a busy instance") { File.exist?(started) }
    end
  end

  # A request that fills the host's queue: others are refused.
  def waiting(host)
    asked = []
    eventually("a full queue") do
      alive = asked.count(&:alive?)
      full = alive == 1 && asked.size > 2
      asked << Thread.new { host.client.get("/hello") } unless full || alive > 1
      full
    end
    asked.find(&:alive?)
  end

  # Sends requests, one after the other, until the host has refused some of each method.
  def send_until_refused(host, haproxy, verbs = VERBS, body = SMALL)
    sent = []
    until verbs.all? { |verb| refusals(host, verb.upcase) >= REFUSALS }
      assert_operator sent.size, :<, MOST, "the full host gets nothing"
      sent << send_one(haproxy, sent.size, 0, verbs, body)
    end
    sent
  end

  def refusals(host, method)
    accesses(host, /^#{method} \S+run-\d+ 425 /).size
  end

  def send_one(haproxy, id, seconds, verbs = VERBS, body = SMALL)
    verb = verbs[id % verbs.size]
    asked = Eventually.monotonic
    path = "/slow?seconds=#{seconds}&started=#{runs_file(id)}"
    code = begin
      through(haproxy).public_send(verb, path, *(body if verb == "post")).code
    rescue SystemCallError, IOError, Timeout::Error, Net::ProtocolError => e
      e.class.name
    end
    Sent.new(id: id, verb: verb, code: code, asked: asked, answered: Eventually.monotonic)
  end
end
