# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# An application sends descriptors whose last close waits for ten seconds. Requests of another
# application are served meanwhile.
class AttackDescriptorsTest < IntegrationTest
  include Unharmed

  LINGER = 10
  ATTACKS = 4

  serve do |made|
    made.site("attacker.test", SampleApps.copy("attack_app"), "PassengerMinInstances 1\n")
    made.site("other.test", SampleApps.copy("rack_app"), "PassengerMinInstances 1\n")
  end

  def setup
    [attacker, other].each { |client| assert_equal 200, client.get("/").code.to_i }
  end

  def test_a_descriptor_on_the_control_socket_stops_nobody
    said = under_attack("/control")
    # Linux refuses such a message since 6.16. Otherwise the agent ends the instance for it.
    assert_equal ["refused"], said.uniq if passrights?
  end

  def test_a_descriptor_on_a_reply_channel_stops_nobody
    assert_equal ["sent"], under_attack("/channel").uniq
  end

  private

  def attacker
    server.client("attacker.test")
  end

  def other
    server.client("other.test")
  end

  # Returns the bodies of the attacker's answers.
  def under_attack(path)
    said = []
    assert_unharmed(other) { said.concat(Array.new(ATTACKS) { attack(path) }) }
    said.compact
  end

  # An answer comes at once, or, from an agent that has ended the instance, with an error.
  def attack(path)
    began = monotonic
    answer = attacker.get(path)
    assert_operator monotonic - began, :<, LINGER / 2
    answer.code.to_i == 200 ? answer.body : nil
  end

  # Whether the kernel can refuse descriptors (SO_PASSRIGHTS).
  def passrights?
    UNIXSocket.pair.first.getsockopt(Socket::SOL_SOCKET, 83)
    true
  rescue Errno::ENOPROTOOPT
    false
  end
end
