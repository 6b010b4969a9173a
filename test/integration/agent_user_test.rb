# frozen_string_literal: true

require_relative "support/integration_test"

# PassengerAgentUser. Processes of one user can signal each other, so nothing else runs as it.
class AgentUserTest < IntegrationTest
  AGENT_USER = "games"
  REMEDY = "name a user that nothing else runs as"

  if TestEnvironment.root?
    serve do |made|
      made.set("PassengerAgentUser", AGENT_USER)
      made.site("agents.test", TestEnvironment.hand_over(SampleApps.rack, AGENT_USER))
      made.site("named.test", SampleApps.rack, "PassengerUser #{AGENT_USER}\n")
      made.site("other.test", SampleApps.rack)
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
  end

  def test_an_application_does_not_start_as_the_agents_user
    %w[agents.test named.test].each do |site|
      position = server.log.position
      assert_status 500, client(site).get("/hello")
      server.log.wait_for(/the user \\"#{AGENT_USER}\\" is the agent's, .*set PassengerAgentUser/,
                          from: position)
    end
    assert_status 200, client("other.test").get("/hello")
    user = Etc.getpwnam(AGENT_USER).uid
    as_user = server.tree.processes.select { |process| process.uid == user }
    assert_equal 1, as_user.size, as_user.map(&:command_line).join("\n")
  end

  def test_httpd_refuses_its_own_user_and_the_default_user
    { TestEnvironment::WEB_USER => "httpd's user (User)",
      "nobody" => "the user of applications that have no other (PassengerDefaultUser)" }
      .each do |user, what|
      output, status = check(user)
      refute status.success?
      assert_includes output, %(PassengerAgentUser "#{user}" is #{what})
      assert_includes output, REMEDY
    end
    output, status = check("daemon")
    assert status.success?, output
  end

  private

  def check(user)
    made = configuration { |one| one.set("PassengerAgentUser", user) }
    server = HttpdServer.new(made)
    server.check_configuration
  ensure
    server&.destroy
  end
end
