# frozen_string_literal: true

require "cgi"
require "json"
require "time"

require_relative "support/integration_test"

# The pool process dies. The next one counts from 0, and each form of the status says since when.
class StatusHistoryTest < IntegrationTest
  OPEN_METRICS = { "Accept" => "application/openmetrics-text;version=1.0.0" }.freeze
  # More than the test makes while the next pool process begins.
  REQUESTS = 500

  serve do |made|
    made.site("rack.test", SampleApps.rack,
              "<Location /status>\nSetHandler passenger-status\nPassengerStatusDetails On\n" \
              "</Location>\n")
  end

  def test_a_crash_of_the_pool_process_shows_in_every_form
    REQUESTS.times { assert_status 200, client.get("/hello") }
    before = metrics
    pid = client.pid
    assert_operator before.fetch(requests), :>=, REQUESTS
    died = kill_pool
    eventually("the next pool process takes the instance over") do
      client.get("/hello")
      app&.dig("counters", "adopted") == 1
    end
    assert_equal pid, client.pid
    assert_counts_anew(before, metrics, died)
    assert_operator app["since"], :>, died
    assert_operator counts_since, :>=, died.floor
    assert_empty(app["events"].select { |one| one["at"] < died }, "the log has them")
  end

  private

  def assert_counts_anew(before, after, died)
    created = after.select { |name, _| name.match?(/\A\w+_created\b/) }
    assert_operator created.size, :>, 20
    assert_empty(created.select { |_, time| time <= died })
    assert_operator after.fetch("passenger_start_time_seconds"), :>, died
    assert_operator after.fetch(requests), :<, before.fetch(requests)
    created.each_key do |name|
      assert_operator before.fetch(name, 0), :<=, died, "#{name} before the crash"
    end
  end

  # By name with labels.
  def metrics
    client.get("/status?metrics", OPEN_METRICS).body.lines.grep_v(/^#/).to_h do |line|
      name, _, value = line.rpartition(" ")
      [name, value.to_f]
    end
  end

  def requests
    %(passenger_app_requests_total{app="#{app_name}"})
  end

  def app_name
    "#{server.configuration.sites.first.root} (production)"
  end

  def place
    "/status?app=#{CGI.escape(app_name)}"
  end

  # What the agent tells of the application; nil if it does not know it yet.
  def app
    JSON.parse(client.get("#{place}&json").body)["apps"].first
  end

  # Seconds since 1970, as the application's page says.
  def counts_since
    text = client.get(place).body[/Counts since <time datetime="([^"]+)/, 1]
    Time.parse(text).to_i
  end

  # Returns a moment just before it, in seconds since 1970.
  def kill_pool
    pool = server.tree.matching(/passenger-agent\S* pool/).first
    moment = Process.clock_gettime(Process::CLOCK_REALTIME)
    Process.kill(:KILL, pool.pid)
    eventually("its end") { !pool.alive? }
    moment
  end
end
