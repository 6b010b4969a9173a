# frozen_string_literal: true

require_relative "support/integration_test"

# Reply channels. Each request in flight has one, with descriptors in the child, the agent and the
# instances. Channels that were unused for PassengerPoolIdleTime are closed everywhere.
class DescriptorsTest < IntegrationTest
  BURST = 40
  THREADS = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 64\n" \
            "ThreadsPerChild 64\nMaxRequestWorkers 64\nMaxConnectionsPerChild 0"
  # Descriptors of kept connections, of a file that httpd serves, and of connections to the agent.
  SLACK = 4

  def test_channels_of_a_burst_are_closed_in_all_processes
    skip "a child of prefork has one channel for each application" if ENV["TEST_MPM"] == "prefork"

    with_server(two_applications) do |server|
      server.configuration.sites.each { |site| server.client(site.name).pid }
      before = settled_counts(server)
      crowded = {}
      holders = []
      # On a machine that stalls, channels may be closed before they are counted.
      3.times do
        burst(server) { |counts| crowded.merge!(counts) { |_, most, now| [most, now].max } }
        holders = crowded.select { |pid, count| count > before.fetch(pid, 0) + BURST / 2 }.keys
        break if holders.size >= 4
      end
      assert_operator holders.size, :>=, 4,
                      "the child, the agent, two instances: #{before} #{crowded}"

      # No request wakes the child meanwhile.
      back_to(before, holders, server)
      assert_equal "hello world\n", server.client("second.test").get("/hello").body
    end
  end

  # Children of prefork; most of them are idle most of the time.
  def test_children_without_a_request_close_their_channels_under_prefork
    one = configuration do |made|
      made.mpm = "prefork"
      made.mpm_settings = nil
      made.set("PassengerPoolIdleTime", 2)
      made.site("one.test", SampleApps.rack, "PassengerMinInstances 1\nPassengerMaxInstances 1\n")
    end
    with_server(one) do |server|
      instance = server.client.pid
      agent = server.tree.matching(/agent pool/).first
      before = settled_counts(server)
      assert_equal(["200"] * 7, all_at_once(server, "one.test", 7) do
        eventually("a channel for each child") do
          agent.descriptors.size >= before.fetch(agent.pid) + 6
        end
      end)
      back_to(before, [instance, agent.pid], server, slack: 1)
      assert_equal "hello world\n", server.client.get("/hello").body
    end
  end

  # About 1,000 channels and 345 connections exceed the usual limit of 1,024 descriptors. An eighth
  # of the threads is for other applications.
  def test_a_child_of_four_hundred_threads_serves_three_applications_at_once
    skip "a child of prefork has one thread" if ENV["TEST_MPM"] == "prefork"

    sites = %w[one.test two.test three.test]
    made = configuration do |one|
      one.mpm_settings = "StartServers 1\nServerLimit 1\nThreadLimit 400\nThreadsPerChild 400\n" \
                         "MaxRequestWorkers 400\n" \
                         "MinSpareThreads 1\nMaxSpareThreads 400"
      sites.each do |name|
        one.site(name, SampleApps.rack, "PassengerMaxInstances 1\nPassengerMaxRequestQueueSize 0\n")
      end
    end
    with_soft_limit(1024) do
      with_server(made) do |server|
        sites.each { |name| assert_equal ["200"] * 345, all_at_once(server, name, 345) }
        assert_operator server.tree.httpd_children.map { |child| child.descriptors.size }.max, :>,
                        3 * 345
      end
    end
  end

  private

  def back_to(before, processes, server, slack: SLACK)
    eventually("as few descriptors as before", every: 0.2) do
      counts = server.tree.descriptor_counts
      processes.all? { |pid| counts.fetch(pid) <= before.fetch(pid) + slack }
    end
  end

  def with_soft_limit(limit)
    before = Process.getrlimit(:NOFILE)
    Process.setrlimit(:NOFILE, limit, before.last)
    yield
  ensure
    Process.setrlimit(:NOFILE, *before)
  end

  # Returns status codes. The application answers none before all have sent their request; the block
  # waits for that.
  def all_at_once(server, site, count)
    path = fifo("fifo-#{site}")
    server.client(site).pid
    clients = Array.new(count) do
      server.raw(site).request("GET", "/wait?fifo=#{path}", { "Connection" => "close" })
    end
    block_given? ? yield : child_channels(server, count)
    count.times { release(path) }
    clients.map { |client| client.response.status.to_s }
  ensure
    clients&.each(&:close)
  end

  # One instance each, so that the same processes run before and after.
  def two_applications
    configuration do |one|
      one.mpm_settings = THREADS unless one.mpm == "prefork"
      one.set("PassengerPoolIdleTime", 2)
      %w[first.test second.test].each do |name|
        one.site(name, SampleApps.rack, "PassengerMinInstances 1\nPassengerMaxInstances 1\n" \
                                        "PassengerMaxRequestQueueSize 0\n")
      end
    end
  end

  # Returns the counts once descriptors of the start are closed.
  def settled_counts(server)
    last = nil
    eventually("the same number twice", every: 0.2) do
      (last == (last = server.tree.descriptor_counts)) && last
    end
  end

  # Requests of each application are in flight at the same time. A waiting request has been sent,
  # which takes a channel. Yields the number of descriptors of each process after each application.
  def burst(server)
    server.configuration.sites.each do |site|
      path = fifo("fifo-#{site.name}-#{rand(1 << 32)}")
      requests = Array.new(BURST) do
        Thread.new { server.client(site.name).get("/wait?fifo=#{path}").code }
      end
      child_channels(server, BURST)
      BURST.times { release(path) }
      assert_equal ["200"] * BURST, requests.map(&:value)
      yield server.tree.descriptor_counts
    end
  end

  # Waits until the burst has taken its channels.
  def child_channels(server, count)
    last = 0
    eventually("all in flight", every: 0.2) do
      counts = server.tree.httpd_children.map { |child| child.descriptors.size }
      same = counts.max == last && counts.max > 2 * count
      last = counts.max
      same
    end
  end
end
