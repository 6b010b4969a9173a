# frozen_string_literal: true

require "securerandom"

require_relative "support/integration_test"
require_relative "support/machines"
require_relative "support/open_load"
require_relative "support/several_hosts"

# The example of doc/scale-out with three hosts, each in a network of its own, and the Rails
# application under an open load: what clients see when a host dies, is cut off, is drained, gets a
# new version, or is slow.
class MachinesTest < IntegrationTest
  include SeveralHosts

  # Requests a second, and seconds that each takes.
  RATE = 30
  SERVICE = 0.3
  # The host of whose fate a test tells.
  HOST = "b"
  # Of the slow host: the seconds for which its instances stand still and go on, by turns.
  STANDSTILL = 1.5
  PROGRESS = 0.3
  # HAProxy's `timeout server`.
  TIMEOUT = 60

  Sent = Struct.new(:run, :verb, :code, :asked, :answered, keyword_init: true)

  class << self
    attr_reader :obstacle

    # Started by the first test; nil where the machine or the rights do not allow it.
    def machines
      @machines ||= Machines.new unless @obstacle
    rescue Network::NotAllowed => e
      @obstacle = e.message
      nil
    end

    def begun?
      !@machines.nil?
    end

    # Minitest calls it.
    def run(reporter, options = {})
      super
    ensure
      @machines&.destroy(keep: @failed)
    end
  end

  def setup
    needs_root "network namespaces"
    skip "haproxy is not installed" unless Haproxy.binary
    skip "ip is not installed (iproute2)" unless TestEnvironment.find_command("ip")
    skip "no network namespaces: #{self.class.obstacle}" unless machines
    @label = SecureRandom.hex(4)
    everything_serves
  end

  def teardown
    self.class.note_failure unless passed? || skipped?
  end

  define_method(LAST) do
    assert_nothing_left self.class.begun? ? machines.stop : []
  end

  def test_a_host_that_is_killed_costs_at_most_the_requests_in_flight
    report_loss("kill of a host") do |load|
      ending = kill_host(machines.hosts[HOST])
      haproxy.silence(HOST)
      eventually("the end of the host in HAProxy's eyes") { haproxy.down?(HOST) }
      load.wait_for_more(RATE)
      machines.start_again(HOST)
      ending
    end
  end

  def test_a_host_that_is_cut_off_costs_at_most_the_requests_in_flight
    report_loss("cut of a host") do |load|
      cutting = monotonic
      machines.network.cut(HOST)
      cut = monotonic
      eventually("the end of the host in HAProxy's eyes") { haproxy.down?(HOST) }
      load.wait_for_answers(cut)
      load.wait_for_more(RATE)
      machines.network.mend(HOST)
      cutting..cut
    ensure
      machines.network.mend(HOST)
    end
  end

  def test_a_host_that_is_drained_gets_nothing_and_no_request_fails
    sent = under_load do |load|
      on(machines.hosts[HOST], "drain", "--all", "--wait", "60")
      eventually("the drain in HAProxy's eyes") { haproxy.down?(HOST) }
      before = begun_by(HOST)
      load.wait_for_more(RATE)
      assert_equal before, begun_by(HOST), "requests for the drained host"
      on(machines.hosts[HOST], "undrain", "--all")
      wait_for_service(HOST)
    end
    assert_all_served sent, "drain and the return of a host"
  end

  def test_a_new_version_on_one_host_costs_no_request
    sent = under_load do
      old = machines.instances(HOST)
      FileUtils.touch(File.join(machines.root(HOST), "tmp/restart.txt"))
      eventually("new instances alone", every: 0.2) do
        now = machines.instances(HOST)
        now.size == old.size && (now & old).empty?
      end
      wait_for_service(HOST)
    end
    assert_all_served sent, "new version on one host"
  end

  # Half of the weight is what busy processors leave to all of them.
  def test_a_slow_host_gets_less_until_it_is_quick_again
    sent = under_load do
      least = while_slow(HOST) { eventually("less weight") { weight_below(50) } }
      eventually("the weight of before") { haproxy.weight(HOST) >= 50 }
      puts "\nThe slow host's weight fell to #{least}, and came back to #{haproxy.weight(HOST)}"
    end
    assert_all_served sent, "slowness of a host"
  end

  private

  def machines
    self.class.machines
  end

  def haproxy
    machines.haproxy
  end

  # Each host has its instances, and HAProxy knows it.
  def everything_serves
    starting = machines.hosts.keys.map { |name| Thread.new { machines.ask(name) } }
    assert_equal ["200"], starting.map(&:value).uniq
    machines.hosts.each_key do |name|
      eventually("instances") { machines.instances(name).size == 2 }
      eventually("a host that is up") { haproxy.up?(name) && haproxy.weight(name).positive? }
    end
  end

  # Returns the requests of a load that begins before the block and ends after it.
  def under_load
    load = OpenLoad.new(RATE) { |number| send_one("#{@label}-#{number}", number) }
    load.wait_for(2 * RATE)
    yield load
    load.wait_for_more(RATE)
    load.stop
  ensure
    load&.stop
  end

  # Half of the requests are POSTs, and half of both come over connections that clients keep.
  # HAProxy takes the three hosts by turns, so each of them gets all kinds.
  def send_one(run, number)
    verb = number.even? ? "get" : "post"
    asked = monotonic
    code = begin
      machines.client(keeping: number % 4 < 2) do |client|
        client.public_send(verb, "/slow?seconds=#{SERVICE}&run=#{run}").code
      end
    rescue SystemCallError, IOError, Timeout::Error, Net::ProtocolError => e
      e.class.name
    end
    Sent.new(run: run, verb: verb, code: code, asked: asked, answered: monotonic)
  end

  # The block ends the host, begins its return, and returns the time in which the host ended.
  def report_loss(what)
    ended = nil
    sent = under_load do |load|
      ended = yield load
      wait_for_service(HOST)
    end
    in_flight = sent.select { |one| one.asked <= ended.end && one.answered >= ended.begin }
    failed = sent.reject { |one| one.code == "200" }
    show(what, sent, in_flight, failed)
    assert_empty failed - in_flight
    assert_each_ran_once sent, failed
    puts format("Those in flight took at most %.1f s, the others %.1f s",
                longest(in_flight), longest(sent - in_flight))
    assert_operator longest(sent), :<, TIMEOUT
  end

  def longest(sent)
    sent.map { |one| one.answered - one.asked }.max
  end

  def show(what, sent, in_flight, failed)
    puts format("\n%<all>d requests over the %<what>s: %<in_flight>d were in flight, " \
                "%<failed>d failed (%<codes>s), of which %<posts>d were POSTs",
                all: sent.size, what: what, in_flight: in_flight.size, failed: failed.size,
                codes: failed.map(&:code).tally.map { |code, number| "#{number} x #{code}" }
                             .join(", "),
                posts: failed.count { |one| one.verb == "post" })
  end

  def assert_all_served(sent, what)
    failed = sent.reject { |one| one.code == "200" }
    puts "\n#{sent.size} requests over the #{what}: #{failed.size} failed"
    assert_empty failed
    assert_each_ran_once sent, []
  end

  # HAProxy repeats neither a POST nor a GET that a host may have begun.
  def assert_each_ran_once(sent, failed)
    runs = machines.runs
    assert_equal [1], (sent - failed).map { |one| runs.fetch(one.run, 0) }.uniq
    assert_empty failed.select { |one| runs.fetch(one.run, 0) > 1 }, "requests that ran twice"
  end

  def begun_by(name)
    machines.runs(name).count { |run, _| run.start_with?(@label) }
  end

  # Until the host has begun requests that come from now on.
  def wait_for_service(name)
    before = begun_by(name)
    eventually("requests for host #{name}", every: 0.1) do
      haproxy.up?(name) && begun_by(name) > before + 5
    end
  end

  # Returns the weight when it is below that.
  def weight_below(limit)
    haproxy.weight(HOST).then { |weight| weight if weight < limit }
  end

  # The host's instances get one part of the time until the block ends.
  def while_slow(name)
    pids = machines.instances(name)
    done = false
    brake = Thread.new do
      until done
        pids.each { |pid| Process.kill(:STOP, pid) }
        sleep STANDSTILL
        pids.each { |pid| Process.kill(:CONT, pid) }
        sleep PROGRESS
      end
    end
    yield
  ensure
    done = true
    brake&.join
    pids&.each { |pid| Process.kill(:CONT, pid) }
  end
end
