# frozen_string_literal: true

require "csv"

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/unused_port"

# The example of doc/scale-out, with one host: what HAProxy makes of its health and its weight.
class BalancerTest < IntegrationTest
  include CommandRunner

  EXAMPLE = File.join(TestEnvironment::SOURCE_DIR, "doc/scale-out/haproxy.cfg")

  serve do |made|
    made.site("rack.test", SampleApps.rack,
              "PassengerMaxInstances 1\n" \
              "<Location /health>\nSetHandler passenger-health\n</Location>\n")
  end

  def setup
    @program = TestEnvironment.find_command("haproxy") or skip "haproxy is not installed"
    assert_status 200, client("rack.test").get("/hello")
  end

  # With busy processors a host has half of its weight.
  def test_haproxy_sends_to_a_host_what_it_can_take
    with_haproxy do |port|
      eventually("a host that is up") { host["status"] == "UP" && weight >= 50 }
      assert_equal "200", through(port)

      gate = fifo
      requests = Array.new(3) { Thread.new { client("rack.test").get("/wait?fifo=#{gate}") } }
      eventually("less than a quarter of the weight") { host["status"] == "UP" && weight < 25 }
      3.times { release(gate) }
      requests.each { |request| assert_status 200, request.value }
      eventually("the weight of before") { weight >= 50 }
    end
  end

  def test_a_drained_host_gets_no_new_clients_and_returns
    with_haproxy do |port|
      eventually("a host that is up") { host["status"] == "UP" }
      succeed(CONFIG, "drain", "--all")
      eventually("no weight") { weight.zero? || host["status"].start_with?("DOWN") }
      assert_equal "503", through(port)
      succeed(CONFIG, "undrain", "--all")
      eventually("a host that is up") { host["status"] == "UP" && weight.positive? }
      assert_equal "200", through(port)
    end
  end

  def test_the_answer_of_a_host_without_an_agent_is_down
    output, errors, status = command(CONFIG, "agent-check", "--registry-dir", scratch)
    assert_equal [0, ""], [status, errors]
    assert_match(/\Adown #[^\n]+\n\z/, output)
  end

  def test_an_application_can_be_named
    assert_match(/\Aup \d+%\n\z/, succeed(CONFIG, "agent-check", root("rack")))
    # It would start with its first request.
    assert_match(/\Aup \d+%\n\z/, succeed(CONFIG, "agent-check", "/nowhere"))
    assert_fails 1, /in one way/, CONFIG, "agent-check", "--all", "--name", "x"
  end

  private

  # Yields the port of the frontend.
  def with_haproxy
    port = UnusedPort.find
    @socket = File.join(scratch, "haproxy.sock")
    with_agent_check do |agent_port|
      file = File.join(scratch, "haproxy.cfg")
      File.write(file, example(port, agent_port))
      pid = spawn(@program, "-f", file, %i[out err] => File.join(scratch, "haproxy.log"))
      begin
        yield port
      ensure
        Process.kill(:TERM, pid)
        Process.wait(pid)
      end
    end
  end

  # The example, with one host and this test's ports.
  def example(port, agent_port)
    text = File.read(EXAMPLE).gsub(/^    server [bc] .*\n/, "")
    { "/run/haproxy/admin.sock" => @socket, "0.0.0.0:80" => "127.0.0.1:#{port}",
      "192.0.2.1:80" => "127.0.0.1:#{server.port}", "agent-port 7710" => "agent-port #{agent_port}",
      "GET /health" => "GET /health HTTP/1.1\\r\\nHost:\\ rack.test" }.each do |from, to|
      text.sub!(from) { to } or flunk("haproxy.cfg has no #{from}")
    end
    text
  end

  # Starts the command for each connection, as systemd does. Yields the port.
  def with_agent_check
    listener = TCPServer.new("127.0.0.1", 0)
    thread = Thread.new do
      loop do
        connection = listener.accept
        Process.wait(spawn(environment, program(CONFIG), "agent-check", out: connection))
        connection.close
      end
    rescue IOError
      # The test has ended.
    end
    yield listener.addr[1]
  ensure
    listener.close
    thread.join
  end

  # HAProxy's line about the host.
  def host
    text = UNIXSocket.open(@socket) do |socket|
      socket.puts "show stat"
      socket.read
    end
    CSV.parse(text.delete_prefix("# "), headers: true)
       .find { |line| line["pxname"] == "hosts" && line["svname"] == "a" }
  end

  def weight
    Integer(host["weight"])
  end

  # The status of an answer through HAProxy.
  def through(port)
    Net::HTTP.start("127.0.0.1", port) do |http|
      http.get("/hello", "Host" => "rack.test").code
    end
  end
end
