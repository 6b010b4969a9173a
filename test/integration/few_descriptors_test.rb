# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# The agent may open so few descriptors that the watchdog cannot keep copies for all instances.
class FewDescriptorsTest < IntegrationTest
  include CommandRunner

  LIMIT = 256
  # The watchdog keeps half as many descriptors as it may open, and four for each instance.
  INSTANCES = (LIMIT / 2 / 4) + 3

  def test_the_log_says_it_and_all_instances_serve
    few = configuration do |made|
      made.descriptor_limit = LIMIT
      made.set("PassengerMaxPoolSize", INSTANCES)
      made.site("rack.test", SampleApps.rack, "PassengerMinInstances #{INSTANCES}\n")
    end
    with_server(few) do |server|
      wanted = INSTANCES * 14
      line = server.log.wait_for(/event=descriptors\.few limit=#{LIMIT} wanted=#{wanted} /)
      assert_match(/RLIMIT_NOFILE of passenger-agent, pid \d+, is #{LIMIT}; raise the limit/, line)
      all_serve(server)
      line = server.log.wait_for(/event=store\.full key="instance:\d+" /)
      assert_match(/half of the process's descriptors are stored, \d+: RLIMIT_NOFILE of /, line)
      kill_pool_process
      all_serve(server)
      server.log.wait_for(/event=instance\.adopted/)
    end
  end

  private

  def all_serve(server)
    eventually("all instances", within: 120) do
      assert_equal "200", server.client.get("/hello").code
      apps.sum { |app| app["instances"].size } == INSTANCES
    end
  end
end
