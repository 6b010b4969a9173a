# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/transfers"
require_relative "support/unharmed"

# An application sends descriptors whose last close waits for ten seconds. Requests of another
# application are served meanwhile.
class AttackDescriptorsTest < IntegrationTest
  include Unharmed

  LINGER = 10
  ATTACKS = 4

  serve do |made|
    made.site("attacker.test", SampleApps.copy("attack_app"), "PassengerMinInstances 1\n")
    # Its requests are refused for a while.
    made.site("nested.test", SampleApps.copy("attack_app"), "PassengerMinInstances 1\n")
    made.site("other.test", SampleApps.copy("rack_app"), "PassengerMinInstances 1\n")
  end

  def setup
    [attacker, other].each { |client| assert_equal 200, client.get("/").code.to_i }
  end

  def test_a_descriptor_on_the_control_socket_stops_no_other_application
    said = under_attack("/control")
    # Linux refuses such a message since 6.16. Otherwise the agent ends the instance for it.
    assert_equal ["refused"], said.uniq if passrights?
  end

  def test_a_descriptor_on_a_reply_channel_stops_no_other_application
    assert_equal ["sent"], under_attack("/channel").uniq
  end

  def test_a_descriptor_that_no_answer_has_breaks_the_answer_only
    assert_unharmed(other) { assert_equal 502, attacker.get("/surplus").code.to_i }
    server.log.wait_for(/app="[^"]*".* came with 1 descriptors, which it may not have/)
    assert_equal 200, attacker.get("/").code.to_i
  end

  # As by a file system that does not answer, so that no thread can close them.
  def test_many_descriptors_whose_close_waits_cost_their_sender_its_requests_only
    nested = server.client("nested.test")
    pid = nil
    assert_unharmed(other) do
      eventually("no requests for the attacker") do
        answer = nested.get("/nested")
        pid = Integer(answer.body) if answer.code.to_i == 200
        answer.code.to_i == 503
      end
    end
    server.log.wait_for(/event=request\.refused .*descriptors whose close waits/)
    Process.kill(:KILL, pid)
    eventually("requests for the attacker") { nested.get("/").code.to_i == 200 }
  end

  # The access log stops httpd between the application's close of the client's socket and its own.
  def test_a_given_client_s_socket_that_lingers_holds_no_thread_of_httpd
    root = SampleApps.copy("attack_app")
    path = fifo
    log = File.open(path, "r+")
    made = configuration do |one|
      Transfers.set_up(one)
      one.site("attacker.test", root, "PassengerMinInstances 1\nCustomLog \"#{path}\" transfers " \
                                      "\"expr=%{REQUEST_URI} == '/linger'\"\n")
    end
    with_server(made) do |own|
      raws = Array.new(Transfers::THREADS) { give_lingering_client(own, root, log) }
      took = seconds { assert_equal 200, own.client.get("/").code.to_i }
      assert_operator took, :<, LINGER / 2
      raws.each(&:close)
    end
  end

  private

  # Returns the client, which reads nothing.
  def give_lingering_client(own, root, log)
    nil until log.write_nonblock("x" * 4096, exception: false) == :wait_writable
    raw = own.raw("attacker.test", window: 4096).request("GET", "/linger")
    closed = File.join(root, "tmp", "closed")
    eventually("the application's close") { File.exist?(closed) }
    File.delete(closed)
    written = +""
    written << log.readpartial(65_536) until written.end_with?("\n")
    assert_match(%r{/linger 200 1$}, written)
    raw
  end

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
