# frozen_string_literal: true

require_relative "support/integration_test"

# A child of httpd that has all reply channels that it may have.
class ChildLimitsTest < IntegrationTest
  # A child that takes the limit for the end of the agent would ask again for ten seconds.
  def test_an_honest_child_at_its_limit_refuses_requests_at_once
    gate = File.join(scratch, "gate")
    with_server(child_with_channels(2, gate)) do |server|
      waiting = Array.new(6) { Thread.new { seconds_and_code(server) } }
      eventually("refused requests") { waiting.count { |one| !one.alive? } == 4 }
      FileUtils.touch(gate)
      answers = waiting.map(&:value)
      assert_equal({ "200" => 2, "503" => 4 }, answers.map(&:last).tally)
      assert_operator answers.select { |_, code| code == "503" }.map(&:first).max, :<, 5
      lines = server.log.text.scan(/event=child\.limit_reached .*PassengerMaxChildChannels/)
      assert_includes 1..10, lines.size
    end
  ensure
    FileUtils.touch(gate)
  end

  private

  # One child of httpd, and an application that answers when there is a gate.
  def child_with_channels(number, gate)
    configuration do |made|
      made.mpm_settings = "StartServers 1\nServerLimit 1\nThreadsPerChild 10\n" \
                          "MaxRequestWorkers 10\nMinSpareThreads 1\nMaxSpareThreads 10"
      made.set("PassengerMaxChildChannels", number)
      made.site("gate.test", SampleApps.written(<<~APP), "PassengerMinInstances 1\n")
        run ->(_) { sleep 0.02 until File.exist?(#{gate.inspect}); [200, {}, []] }
      APP
    end
  end

  def seconds_and_code(server)
    began = monotonic
    code = server.client("gate.test").get("/").code
    [monotonic - began, code]
  end
end
