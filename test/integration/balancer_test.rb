# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/haproxy"
require_relative "support/integration_test"

# The example of doc/scale-out, with one host: what HAProxy makes of its health and its weight.
class BalancerTest < IntegrationTest
  include CommandRunner

  serve do |made|
    made.site("rack.test", SampleApps.rack,
              "PassengerMaxInstances 1\n" \
              "<Location /health>\nSetHandler passenger-health\n</Location>\n")
  end

  def setup
    skip "haproxy is not installed" unless Haproxy.binary
    assert_status 200, client("rack.test").get("/hello")
  end

  # With busy processors a host has half of its weight.
  def test_haproxy_sends_to_a_host_what_it_can_take
    with_haproxy do |haproxy|
      eventually("a host that is up") { haproxy.up?("a") && haproxy.weight("a") >= 50 }
      assert_equal "200", through(haproxy)

      gate = fifo
      requests = Array.new(3) { Thread.new { client("rack.test").get("/wait?fifo=#{gate}") } }
      eventually("less than a quarter of the weight") do
        haproxy.up?("a") && haproxy.weight("a") < 25
      end
      3.times { release(gate) }
      requests.each { |request| assert_status 200, request.value }
      eventually("the weight of before") { haproxy.weight("a") >= 50 }
    end
  end

  def test_a_drained_host_gets_no_new_clients_and_returns
    with_haproxy do |haproxy|
      eventually("a host that is up") { haproxy.up?("a") }
      succeed(CONFIG, "drain", "--all")
      eventually("no weight") { haproxy.weight("a").zero? || haproxy.down?("a") }
      assert_equal "503", through(haproxy)
      succeed(CONFIG, "undrain", "--all")
      eventually("a host that is up") { haproxy.up?("a") && haproxy.weight("a").positive? }
      assert_equal "200", through(haproxy)
    end
  end

  def test_the_answer_of_a_host_without_an_agent_is_down
    output, errors, status = command(CONFIG, "agent-check", "--registry-dir", scratch)
    assert_equal [0, ""], [status, errors]
    assert_match(/\Adown #[^\n]+\n\z/, output)
  end

  # HAProxy asks each second, and one "down" takes the host out.
  def test_a_pool_process_that_is_replaced_takes_no_host_away
    reader, writer = IO.pipe
    check = Process.spawn(environment, program(CONFIG), "agent-check", root("rack"), out: writer)
    eventually("the measurement of the processors' use") do
      File.read("/proc/#{check}/wchan").include?("nanosleep")
    end
    Process.kill(:KILL, server.tree.matching(/passenger-agent pool/).first.pid)
    writer.close
    assert_match(/\Aup \d+%/, reader.read)
    Process.wait(check)
  end

  def test_an_application_can_be_named
    assert_match(/\Aup \d+%\n\z/, succeed(CONFIG, "agent-check", root("rack")))
    # It would start with its first request.
    assert_match(/\Aup \d+% #/, succeed(CONFIG, "agent-check", "/nowhere"))
    assert_fails 1, /in one way/, CONFIG, "agent-check", "--all", "--name", "x"
  end

  private

  def with_haproxy
    haproxy = Haproxy.new(scratch, "a" => server).start
    yield haproxy
  ensure
    haproxy&.stop
  end

  # The status of an answer through HAProxy.
  def through(haproxy)
    HttpClient.new(haproxy.port, "rack.test").get("/hello").code
  end
end
