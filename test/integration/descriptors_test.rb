# frozen_string_literal: true

require_relative "support/integration_test"

# Reply channels: one for each request that a child has in flight with an application, in the child, the agent and the instances. What a
# burst has left is closed everywhere, once nobody has needed it for PassengerPoolIdleTime.
class DescriptorsTest < IntegrationTest
  BURST = 40
  THREADS = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 64\n" \
            "ThreadsPerChild 64\nMaxRequestWorkers 64\nMaxConnectionsPerChild 0"
  # Kept connections, a file that is just being served, a connection to the agent more or less.
  SLACK = 4

  def test_what_a_burst_has_left_is_closed_everywhere
    skip "a child of prefork has one channel for each application" if ENV["TEST_MPM"] == "prefork"

    with_server(two_applications) do |server|
      server.configuration.sites.each { |site| server.client(site.name).pid }
      before = server.tree.descriptor_counts
      burst(server)
      crowded = server.tree.descriptor_counts
      holders = crowded.select { |pid, count| count > before.fetch(pid, 0) + BURST / 2 }.keys
      assert_operator holders.size, :>=, 4, "the child, the agent, two instances: #{before} #{crowded}"

      eventually("as few descriptors as before", within: 15, every: 0.2) do
        # The child looks when a request has ended.
        server.client.pid
        counts = server.tree.descriptor_counts
        holders.all? { |pid| counts.fetch(pid) <= before.fetch(pid) + SLACK }
      end
      assert_equal "hello world\n", server.client("second.test").get("/hello").body
    end
  end

  private

  # One instance each, so that the processes are the same before and after.
  def two_applications
    configuration do |one|
      one.mpm_settings = THREADS unless one.mpm == "prefork"
      one.set("PassengerPoolIdleTime", 2)
      %w[first.test second.test].each do |name|
        one.site(name, SampleApps.rack, "PassengerMinInstances 1\nPassengerMaxInstances 1\nPassengerMaxRequestQueueSize 0\n")
      end
    end
  end

  # All in flight at the same time: those that wait have sent their request, which takes a channel.
  def burst(server)
    server.configuration.sites.each do |site|
      path = fifo("fifo-#{site.name}")
      requests = Array.new(BURST) { Thread.new { server.client(site.name).get("/wait?fifo=#{path}").code } }
      child_channels(server, site)
      BURST.times { release(path) }
      assert_equal ["200"] * BURST, requests.map(&:value)
    end
  end

  # Waits until the burst has taken its channels.
  def child_channels(server, _site)
    last = 0
    eventually("all in flight", within: 10, every: 0.2) do
      counts = server.tree.httpd_children.map { |child| child.descriptors.size }
      same = counts.max == last && counts.max > 2 * BURST
      last = counts.max
      same
    end
  end
end
