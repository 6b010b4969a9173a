# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# An application sends httpd's child messages in the name of the agent. No answer is made of them,
# and no request is repeated because of them.
class AttackMessagesTest < IntegrationTest
  include Unharmed

  LOST = 16
  RECHECK = 17
  REFUSED = 18
  FORGED_STATUS = 418
  FORGED_TEXT = "The agent did not write this."

  serve do |made|
    made.site("attacker.test", SampleApps.copy("attack_app"),
              "PassengerMinInstances 1\nPassengerMaxInstances 1\nPassengerSpawnMethod direct\n" \
              "PassengerFriendlyErrorPages on\n")
    made.site("other.test", SampleApps.rack)
    made.site("broken.test", SampleApps.written("raise 'it does not start'\n"),
              "PassengerFriendlyErrorPages on\n")
  end

  def test_a_refusal_is_no_error_page
    answer = client.get("/forge/#{REFUSED}/#{FORGED_STATUS}/refusal")
    assert_status(502, answer)
    refute_includes answer.body, FORGED_TEXT
    refute_includes server.log.text(@log_position), FORGED_TEXT
    assert_match(/message of type #{REFUSED}, which only the agent may send/,
                 server.log.text(@log_position))
  end

  def test_a_loss_repeats_no_request
    runs_once("/forge/#{LOST}/0", "loss")
  end

  def test_a_hint_repeats_no_request
    runs_once("/forge/#{RECHECK}/0", "hint")
  end

  def test_messages_in_the_agents_name_harm_no_other_application
    assert_status 200, client("other.test").get("/hello")
    number = 0
    assert_unharmed(client("other.test"), "/hello") do
      [LOST, RECHECK, REFUSED].each do |type|
        assert_status 502, client.get("/forge/#{type}/#{FORGED_STATUS}/again#{number += 1}")
      end
    end
  end

  # A pool process that takes another one's place speaks to the same children.
  def test_the_agents_own_refusal_is_an_error_page_after_its_replacement
    assert_status(500, client("broken.test").get("/"))
    old = server.tree.matching(/passenger-agent\S* pool/).first
    Process.kill(:KILL, old.pid)
    eventually("another pool process") do
      server.tree.matching(/passenger-agent\S* pool/).any? { |one| one.identity != old.identity }
    end
    answer = client("broken.test").get("/")
    assert_status(500, answer)
    assert_includes answer.body, "it does not start"
  end

  private

  def runs_once(path, name)
    assert_status(502, client.get("#{path}/#{name}"))
    assert_equal "1", client.get("/runs/#{name}").body
  end
end
