# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# Signals to the anchor under load, while an instance of each application has a request that does
# not end before PassengerStopTimeout.
class AnchorTest < IntegrationTest
  AGENT = /passenger-agent\S* (anchor|watchdog|pool|rights)/.freeze
  ANCHOR = /passenger-agent\S* anchor/.freeze
  NODE = system("node --version >/dev/null 2>&1")
  NODE_APP = <<~'JS'
    require("http").createServer((request, response) => {
        if (request.url.startsWith("/wait")) {
            const begun = new URL(request.url, "http://localhost").searchParams.get("started");
            return require("fs").writeFileSync(begun, "begun");
        }
        return response.end(String(process.pid));
    }).listen(80);
  JS

  def test_sigterm_and_sigint_to_the_anchor_cost_no_request
    under_load do |server, loads|
      agent = server.tree.matching(AGENT).map(&:identity)
      %w[TERM INT].each do |name|
        Process.kill(name, anchor(server).pid)
        # An agent that ends loses its spawn server at once.
        loads.each { |load| load.wait_for_all("answers", count: 20) }
      end
      assert_equal agent.sort, server.tree.matching(AGENT).map(&:identity).sort
    end
  end

  # A request that waited for the end of the busy instances would fail after ten seconds.
  def test_busy_instances_of_an_agent_whose_anchor_was_killed_cost_no_other_request
    under_load do |server, loads|
      kill_anchor(server)
      loads.each { |load| load.wait_for_all("answers", count: 20) }
    end
  end

  private

  # Yields the server and the load of each site. All its requests are answered with 200.
  def under_load
    with_server(two_applications) do |server|
      sites = server.configuration.sites.map(&:name)
      clients = sites.map { |site| keep_busy(server, site) }
      loads = sites.map { |site| SteadyLoad.new(server.client(site), "/hello", 2) }
      loads.each { |load| load.wait_for_all("an answer") }
      yield server, loads
      failed = loads.flat_map(&:stop).reject { |answer| answer.code == 200 }
      assert_empty(failed.map { |answer| "#{answer.code} #{answer.body.to_s[0, 200]}" })
    ensure
      loads&.each(&:stop)
      clients&.each(&:close)
      @fifos&.each_key { |path| release(path) }
    end
  end

  def two_applications
    configuration do |one|
      one.set("PassengerStopTimeout", "1min")
      one.set("PassengerMinInstances", 2)
      one.set("PassengerMaxInstances", 2)
      one.site("rack.test", SampleApps.rack)
      one.site("node.test", SampleApps.written(NODE_APP, "app.js")) if NODE
    end
  end

  # Returns the client of a request that is in work until it closes.
  def keep_busy(server, site)
    name = "#{site}-#{rand(1 << 32)}"
    begun = File.join(scratch, "#{name}-begun")
    client = server.raw(site)
    client.request("POST", "/wait?fifo=#{fifo(name)}&started=#{begun}", "Content-Length" => "0")
    eventually("an instance of #{site} is busy") { File.exist?(begun) }
    client
  end

  def anchor(server)
    eventually("just one anchor") { (found = server.tree.matching(ANCHOR)).one? && found.first }
  end

  # Until another anchor is there.
  def kill_anchor(server)
    old = anchor(server)
    Process.kill(:KILL, old.pid)
    eventually("another anchor") do
      server.tree.matching(ANCHOR).any? { |one| one.identity != old.identity }
    end
  end
end
