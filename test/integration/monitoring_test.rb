# frozen_string_literal: true

require "io/wait"

require_relative "support/command_runner"
require_relative "support/integration_test"

# Programs of others that read the status as XML.
class MonitoringTest < IntegrationTest
  include CommandRunner

  CONFIGURATION = File.join(TestEnvironment::SOURCE_DIR, "doc/monitoring/collectd.conf")
  URL = "http://127.0.0.1/passenger-status?xml"

  serve do |made|
    made.site("rack.test", SampleApps.rack,
              "PassengerAppGroupName blog\n<Location /passenger-status>\n" \
              "SetHandler passenger-status\nPassengerStatusDetails On\n</Location>\n")
  end

  def setup
    3.times { assert_status 200, client.get("/hello") }
  end

  def test_collectd_reads_the_page
    collectd = TestEnvironment.find_command("collectd") or return not_run("collectd")
    instance = client.pid
    values = read_by(collectd, "passenger-pool/memory-instance-#{instance}")
    assert_equal 1, values.fetch("passenger-pool/gauge-pool-size")
    assert_operator values.fetch("passenger-pool/gauge-pool-limit"), :>=, 1
    assert_equal 1, values.fetch("passenger-pool/gauge-instances-blog")
    assert_equal 0, values.fetch("passenger-pool/queue_length-blog")
    assert_operator values.fetch("passenger-pool/total_requests-instance-#{instance}"), :>=, 4
  end

  private

  def not_run(program)
    puts "", "not run: #{program} reads the status: there is no #{program}"
    skip "there is no #{program}"
  end

  # What collectd reads by the example when it has a value of this name: the last one of each name.
  def read_by(collectd, awaited)
    configuration = File.read(CONFIGURATION)
    configuration.sub!(URL, "http://127.0.0.1:#{server.port}/passenger-status?xml") or
      flunk("collectd.conf has no #{URL}")
    path = File.join(scratch, "collectd.conf")
    File.write(path, <<~CONF + configuration)
      Hostname "host"
      FQDNLookup false
      BaseDir "#{scratch}"
      PIDFile "#{scratch}/pid"
      Interval 1
      LoadPlugin csv
      <Plugin csv>
        DataDir "stdout"
      </Plugin>
    CONF
    values = {}
    IO.popen([collectd, "-f", "-C", path, { err: File.join(scratch, "collectd.log") }]) do |output|
      # The agent measures an instance's memory some seconds after its start.
      eventually(awaited) { read_value(output, values) && values.fetch(awaited, 0).positive? }
    ensure
      Process.kill(:TERM, output.pid)
    end
    values
  end

  def read_value(output, values)
    line = output.wait_readable(1) ? output.gets.to_s : ""
    _, name, value = *line.match(%r{\APUTVAL host/(\S+) interval=\S+ [\d.]+:(\S+)})
    values[name] = Float(value) if name
  end
end
