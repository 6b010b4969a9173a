# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# PassengerMinSpareInstances and PassengerMaxSpareInstances: idle instances that are kept beside the
# busy ones.
class SpareInstancesTest < IntegrationTest
  include CommandRunner

  # Seconds. Instances start and end slowly on a loaded machine.
  WITHIN = 60

  serve do |made|
    made.set("PassengerMaxPoolSize", 12)
    made.site("rack.test", SampleApps.rack,
              "PassengerMinSpareInstances 2\nPassengerMaxSpareInstances 3\n")
    made.site("limited.test", SampleApps.rack,
              "PassengerMinSpareInstances 5\nPassengerMaxInstances 2\n")
    made.site("plain.test", SampleApps.rack)
  end

  def test_spare_instances_are_kept_beside_busy_ones_and_surplus_ones_end
    client.pid
    # Two, and the one that this request keeps busy if the pool still counts it.
    assert_instances 2..3
    gate = fifo
    busy = occupy("rack.test", gate, 4)
    assert_instances 6
    busy.size.times { release(gate) }
    assert_equal %w[200] * 4, busy.map { |request| request.value.code }
    assert_instances 3
    refute_match(/instance\.evicted/, server.log.text)
  end

  def test_spare_instances_stay_within_the_applications_limit
    client("limited.test").pid
    assert_instances 2, "limited.test"
    gate = fifo
    busy = occupy("limited.test", gate, 2)
    sleep 1
    assert_equal [2, 0], [instances("limited.test").size, app("limited").fetch("starting")]
    busy.size.times { release(gate) }
    busy.each(&:value)
  end

  def test_no_spare_instance_is_kept_by_default
    client("plain.test").pid
    sleep 1
    assert_equal [1, 0], [instances("plain.test").size, app("plain").fetch("starting")]
  end

  private

  # Sends `count` requests that keep instances until they are released.
  def occupy(site, gate, count)
    started = File.join(scratch, "started")
    requests = Array.new(count) do
      Thread.new { server.client(site, timeout: 60).get("/wait?fifo=#{gate}&started=#{started}") }
    end
    eventually("their beginning") { File.exist?(started) && File.readlines(started).size == count }
    requests
  end

  def instances(site)
    root = server.configuration.sites.find { |one| one.name == site }.root
    ProcessInfo.all.select do |process|
      process.alive? && process.command_line.include?("RubyApp: #{root} ")
    end
  end

  def assert_instances(count, site = "rack.test")
    eventually("#{count} instances of #{site}", within: WITHIN) do
      Array(count).include?(instances(site).size)
    end
  end
end
