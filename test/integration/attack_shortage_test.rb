# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# The processes of httpd and of the agent may open few descriptors, and more requests come at once
# than there are descriptors for reply channels.
class AttackShortageTest < IntegrationTest
  include Unharmed

  LIMIT = 256
  REQUESTS = 200
  # Seconds for which they wait.
  STANDS = 3
  # Each child has descriptors for all its threads. The agent has not.
  CHILDREN = "StartServers 4\nServerLimit 10\nMinSpareThreads 1\nMaxSpareThreads 400\n" \
             "ThreadsPerChild 50\nMaxRequestWorkers 250\nMaxConnectionsPerChild 0"
  # A refusal that waits for the agent takes ten seconds.
  AT_ONCE = 8
  POOL = /passenger-agent\S* pool/.freeze

  # Afterwards the children still have the load's channels, and the agent has them, too.
  def test_a_shortage_refuses_at_once_and_ends_with_the_load
    under_load do |server, clients, path|
      pid = server.tree.matching(POOL).first.pid
      line = server.log.wait_for(/event=descriptors\.short limit=#{LIMIT} /)
      assert_match(/RLIMIT_NOFILE of passenger-agent, pid #{pid}, is #{LIMIT}; /, line)
      assert_match(/raise the limit of httpd's service \(systemd: LimitNOFILE=/, line)
      load_ends(clients, path)
      all_are_served(server)
    end
  end

  # The last descriptors before the reserve are for applications with few requests in flight.
  def test_another_application_fails_no_request_during_the_shortage
    skip "a child of prefork has one request at a time" if ENV["TEST_MPM"] == "prefork"

    with_server(crowded) do |server|
      %w[busy.test other.test].each { |name| assert_equal "200", hello(server, name) }
      path = nil
      clients = []
      ended = lambda do
        load_ends(clients, path) if clients.any?
        clients = []
      end
      assert_unharmed(server.client("other.test"), "/hello", reset: ended) do
        # Lines that nobody has read stay in an earlier one.
        path = fifo("fifo#{path.to_s[/\d*\z/].to_i + 1}")
        clients = begin_load(server, path)
        sleep STANDS
      end
      ended.call
      all_are_served(server)
    end
  end

  # One child needs a channel, and all close those that the load has left.
  def test_all_children_close_idle_channels_when_one_needs_a_descriptor
    under_load do |server, clients, path|
      agent = server.tree.matching(POOL).first
      load_ends(clients, path)
      # On a busy machine fewer requests may have been there at once, and the reserve, the last
      # quarter, is not touched then.
      short = next_descriptor(agent.pid) >= LIMIT * 3 / 4
      assert_equal "200", at_once { hello(server, "unknown.test") }
      eventually("few descriptors") { agent.descriptors.size < LIMIT / 2 } if short
    end
  end

  # The children of the new configuration know nothing that the old ones have.
  def test_new_children_serve_during_a_shortage
    under_load do |server, clients, path|
      old = server.tree.httpd_children.map(&:pid)
      server.graceful
      eventually("new children") { (server.tree.httpd_children.map(&:pid) - old).any? }
      eventually("an answer by a new child") { at_once { hello(server, "other.test") } == "200" }
      load_ends(clients, path)
      all_are_served(server)
    end
  end

  private

  # The number that the kernel gives the next descriptor of a process.
  def next_descriptor(pid)
    used = Dir.children("/proc/#{pid}/fd").map(&:to_i)
    (0..).find { |number| !used.include?(number) }
  end

  def crowded
    configuration do |one|
      one.descriptor_limit = LIMIT
      one.mpm_settings = CHILDREN
      %w[busy.test other.test].each do |name|
        one.site(name, SampleApps.rack, "PassengerMinInstances 1\nPassengerMaxInstances 1\n" \
                                        "PassengerMaxRequestQueueSize 0\n")
      end
      one.site("unknown.test", SampleApps.rack)
    end
  end

  # More requests than there are descriptors. The application answers none of them before the FIFO
  # has a line for it.
  def under_load
    skip "a child of prefork has one request at a time" if ENV["TEST_MPM"] == "prefork"

    with_server(crowded) do |server|
      %w[busy.test other.test].each { |name| assert_equal "200", hello(server, name) }
      path = fifo
      yield server, begin_load(server, path), path
      assert_empty server.log.text.lines.grep(/too many descriptors|does not answer/)
    end
  end

  # Returns when some of the requests are refused.
  def begin_load(server, path)
    clients = Array.new(REQUESTS) { Thread.new { held(server, path) } }
    eventually("refusals") { over(clients).any? }
    clients
  end

  # Returns the status, and how long it took.
  def held(server, path)
    code = nil
    took = seconds { code = server.client("busy.test").get("/wait?fifo=#{path}").code }
    [code, took]
  end

  def over(clients)
    clients.reject(&:alive?).map(&:value)
  end

  def at_once
    result = nil
    assert_seconds_below(AT_ONCE, "an answer") { seconds { result = yield } }
    result
  end

  def hello(server, name)
    server.client(name).get("/hello").code
  end

  # Most of the requests had a channel. The others were refused before the load has ended.
  def load_ends(clients, path)
    refused = over(clients)
    assert_equal ["503"], refused.map(&:first).uniq
    assert_operator refused.map(&:last).max, :<, AT_ONCE
    REQUESTS.times { release(path) }
    codes = clients.map { |client| client.value.first }.tally
    assert_equal %w[200 503], codes.keys.sort
    assert_operator codes["200"], :>, REQUESTS / 4
  end

  # Requests of each application at once, which need further channels in all children.
  def all_are_served(server)
    at_once do
      eventually("answers only") do
        %w[other.test busy.test].all? do |name|
          Array.new(20) { Thread.new { hello(server, name) } }.map(&:value).uniq == ["200"]
        end
      end
    end
  end
end
