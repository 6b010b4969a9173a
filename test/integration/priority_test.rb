# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/integration_test"

# PassengerPriority: where requests wait, those of low priority are refused first, and those of high
# priority last.
class PriorityTest < IntegrationTest
  SIZE = 8

  serve do |made|
    made.site("shop.test", SampleApps.written(<<~APP), <<~DIRECTIVES)
      run(lambda do |_env|
        sleep 0.02 until File.exist?(File.join(__dir__, "gate"))
        [200, {}, ["done"]]
      end)
    APP
      PassengerMaxInstances 1
      PassengerMinInstances 1
      PassengerMaxRequestQueueSize #{SIZE}
      <Location /pay>
        PassengerPriority high
      </Location>
      <If "%{HTTP_USER_AGENT} =~ /crawler/">
        PassengerPriority low
      </If>
    DIRECTIVES
  end

  def setup
    FileUtils.rm_f(gate)
    @waiting = []
  end

  def teardown
    FileUtils.touch(gate)
    assert_equal ["200"], @waiting.map { |thread| thread.value.code }.uniq
  end

  def test_requests_of_low_priority_are_refused_first_and_those_of_high_priority_last
    wait(1 + (SIZE / 4))
    crawl
    assert_log(/ status=503 .*of low priority.*PassengerPriority/)
    wait(1)
    fill("/")
    eventually("a request is refused") { refused?("/") }
    fill("/pay")
    eventually("a payment is refused") { refused?("/pay") }
    assert_log(/ status=503 .*of high priority: #{SIZE + (SIZE / 4)} requests/)
  end

  private

  def gate
    File.join(server.configuration.sites.first.root, "gate")
  end

  # More requests of low priority at once than httpd has children: in each, one of a second is as
  # others.
  def crawl
    crawlers = Array.new(6) do
      Thread.new { client("shop.test").get("/", "User-Agent" => "crawler") }
    end
    eventually("a crawler's request is refused") { crawlers.any? { |one| !one.alive? } }
    refused, others = crawlers.partition { |one| one.join(1) }
    assert_equal ["503"], refused.map { |one| one.value.code }.uniq
    @waiting.concat(others)
  end

  # So many requests more, which wait at the gate or in the queue.
  def wait(count)
    count.times { @waiting << Thread.new { client("shop.test").get("/") } }
    eventually("waiting requests") { in_flight >= @waiting.size }
  end

  # The queue has room for so many.
  def fill(path)
    most = 1 + SIZE + (path == "/pay" ? SIZE / 4 : 0)
    until in_flight >= most
      @waiting << Thread.new { client("shop.test").get(path) }
      eventually("a waiting request") { in_flight >= @waiting.size }
    end
  end

  def refused?(path)
    asking = Thread.new { client("shop.test").get(path) }
    if asking.join(5)
      assert_status 503, asking.value
      return true
    end
    @waiting << asking
    false
  end

  def in_flight
    app = ControlClient.in(File.join(server.folder, "run")).status["apps"].first
    app ? app["queue"]["waiting"] + app["instances"].sum { |one| one["sessions"] } : 0
  end

  def assert_log(pattern)
    server.log.wait_for(pattern)
  end
end
