# frozen_string_literal: true

require "securerandom"

require_relative "integration_test"
require_relative "machines"
require_relative "open_load"
require_relative "several_hosts"
require_relative "waits"

# A test class with the example of doc/scale-out: three hosts, each in a network of its own, HAProxy
# and the Rails application under an open load.
class MachinesTestCase < IntegrationTest
  include SeveralHosts

  # Requests a second.
  RATE = 30
  # So many of them before something happens.
  BEFORE = 5 * RATE
  # The host of whose fate a test tells.
  HOST = "b"
  # HAProxy's `timeout server`.
  TIMEOUT = 60
  TRIES = 3

  Sent = Struct.new(:run, :verb, :code, :due, :asked, :answered, keyword_init: true)

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
      @machines = nil
    end

    # The last test of each class stops the machines.
    def inherited(test_case)
      super
      test_case.define_method(IntegrationTest::LAST) do
        assert_nothing_left self.class.begun? ? machines.stop : []
      end
    end
  end

  def setup
    needs_root "network namespaces"
    skip "haproxy is not installed" unless Haproxy.binary
    skip "ip is not installed (iproute2)" unless TestEnvironment.find_command("ip")
    skip "no network namespaces: #{self.class.obstacle}" unless machines
    everything_serves
  end

  def teardown
    self.class.note_failure unless passed? || skipped?
  end

  private

  # The path of a request with this name.
  def page(_run)
    raise NotImplementedError
  end

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
  def under_load(most: OpenLoad::MOST)
    label = @label = SecureRandom.hex(4)
    load = OpenLoad.new(RATE, most: most) do |number, due|
      send_one("#{label}-#{number}", number, due)
    end
    load.wait_for(BEFORE)
    yield load
    load.wait_for_more(RATE)
    load.stop
  ensure
    load&.stop
  end

  # Half of the requests are POSTs, and half of both come over connections that clients keep.
  # HAProxy takes the three hosts by turns, so each of them gets all kinds.
  def send_one(run, number, due)
    verb = number.even? ? "get" : "post"
    asked = monotonic
    code = begin
      machines.client(keeping: number % 4 < 2) do |client|
        client.public_send(verb, page(run)).code
      end
    rescue SystemCallError, IOError, Timeout::Error, Net::ProtocolError => e
      e.class.name
    end
    Sent.new(run: run, verb: verb, code: code, due: due, asked: asked, answered: monotonic)
  end

  # The block sends a load and returns its Waits. A run that the machine has disturbed tells
  # nothing, so there are TRIES of them.
  def served_as_before(what)
    tries = Array.new(TRIES) do
      waits = yield what
      puts waits
      return if waits.problems.empty? && waits.others.empty?

      waits
    end
    assert_empty tries.reject(&:disturbed?).flat_map(&:problems)
    assert_includes tries.map(&:others), []
    puts "The machine had other work: nothing is known of waits"
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

end
