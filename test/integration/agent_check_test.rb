# frozen_string_literal: true

require "json"

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/made_users"

# Which applications `passenger-config agent-check` is about.
class AgentCheckTest < IntegrationTest
  include CommandRunner

  serve do |made|
    folder = SampleApps.written("raise 'broken on purpose'")
    made.site("broken.test", folder, "PassengerUser #{TestEnvironment.web_user}\n")
    made.site("calm.test", SampleApps.rack)
  end

  def setup
    assert_status 200, client("calm.test").get("/hello")
    assert_status 500, client("broken.test").get("/")
  end

  def test_an_application_is_named_with_its_user_or_without
    name = app("broken")["name"]
    short = name[/\A.* \(production\)/]
    refute_equal name, short
    [name, short].each do |one|
      eventually("the failure") do
        # Each request may ask for an attempt.
        client("broken.test").get("/")
        state("--name", one) == "down"
      end
    end
    assert_equal "up", state("--name", app("calm")["name"])
  end

  # A deployment has failed while the other application drains.
  def test_a_drained_application_beside_a_broken_one_is_no_reason_for_down
    name = app("calm")["name"]
    eventually("the failure") do
      client("broken.test").get("/")
      state("--name", app("broken")["name"]) == "down"
    end
    succeed(CONFIG, "drain", "--name", name)
    assert_match(/\Aup 0% #/, succeed(CONFIG, "agent-check"))
  ensure
    succeed(CONFIG, "undrain", "--name", name)
  end

  def test_an_application_that_is_not_found_is_said
    [["--name", "/nowhere (production)"], ["/nowhere"]].each do |words|
      output, errors, status = command(CONFIG, "agent-check", *words)
      assert_equal 0, status
      assert_match(/\Aup \d+% #no application of this name or path is known\n\z/, output)
      assert_equal "passenger-config: no application of this name or path is known\n", errors
    end
    assert_empty command(CONFIG, "agent-check", root("calm"))[1]
  end

  def test_a_user_who_sees_no_application_is_told_so
    needs_root("to be another user")
    stranger = MadeUsers["stranger"].name
    output, errors, status = command(CONFIG, "agent-check", "--json", as: stranger)
    told = JSON.parse(output)
    assert_equal [0, "up", "no application is known, or this user may see none"],
                 [status, *told.values_at("state", "reason")]
    assert_equal "passenger-config: no application is known, or this user may see none\n", errors
  end

  private

  def state(*words)
    JSON.parse(succeed(CONFIG, "agent-check", "--json", *words))["state"]
  end
end
