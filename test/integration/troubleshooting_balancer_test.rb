# frozen_string_literal: true

require_relative "support/haproxy"
require_relative "support/troubleshooting"
require_relative "support/web_socket_client"

# A balancer before httpd, HAProxy, whose limits are shorter than a request or a silence:
# doc/TROUBLESHOOTING.md#504
# doc/TROUBLESHOOTING.md#websockets-are-cut
class TroubleshootingBalancerTest < TroubleshootingTest
  HEALTH = "<Location /health>\nSetHandler passenger-health\n</Location>\n"
  LIMIT = "timeout server 60s"
  SHORT = "timeout server 2s"
  # That of connections which are WebSockets.
  TUNNEL_LIMIT = "timeout tunnel 1h"
  SHORT_TUNNEL = "timeout tunnel 2s"
  # Longer than the short limit.
  SECONDS = 4

  serve do |made|
    made.site("rack.test", SampleApps.rack, HEALTH)
    made.site("hijack.test", SampleApps.copy("hijack_app"))
  end

  def setup
    skip "haproxy is not installed" unless Haproxy.binary
    %w[rack hijack].each { |name| assert_status 200, get(name) }
    @log_position = server.log.position
  end

  def test_504_of_a_balancer_that_gives_up_before
    behind_haproxy(SHORT) do |port|
      assert_status 504, through(port, "/slow?seconds=#{SECONDS}")
      refute_match(/event=(request\.failed|instance\.hung)/, server.log.text(@log_position))
    end
    behind_haproxy(LIMIT) do |port|
      assert_status 200, through(port, "/slow?seconds=#{SECONDS}")
    end
    # The limit has to be longer than this. The instance counts the request after its answer.
    eventually("the time of the request") do
      longest = succeed(STATUS, "--verbose").scan(/service p50 .* p99 ([\d.]+) s$/).flatten
      longest.any? { |text| Float(text) >= SECONDS - 1 }
    end
  end

  def test_a_balancer_cuts_web_sockets_that_are_silent
    behind_haproxy(SHORT_TUNNEL, TUNNEL_LIMIT) do |port|
      socket = echoing(port)
      assert_predicate socket, :ended?
      refute_match(/event=(request\.failed|connection\.given_up)/, server.log.text(@log_position))
      with_pings(echoing(port))
    end
    behind_haproxy(SHORT) do |port|
      socket = echoing(port)
      sleep SECONDS
      assert_equal "LATER", socket.say("later").hear
      socket.close
    end
  end

  private

  # Yields the port of an HAProxy with this time limit in place of the document's, once it sends to
  # the host.
  def behind_haproxy(limit, documented = LIMIT)
    haproxy = Haproxy.new(scratch, "a" => server)
                     .start { |text| Haproxy.substitute(text, documented, limit) }
    eventually("a host that is up") { haproxy.up?("a") && haproxy.weight("a").positive? }
    yield haproxy.port
  ensure
    haproxy&.stop
  end

  def through(port, path)
    HttpClient.new(port, "rack.test").get(path)
  end

  def echoing(port)
    socket = WebSocketClient.new(port, "hijack.test", "/web_socket")
    assert_equal "HELLO", socket.say("hello").hear
    socket
  end

  # Messages stand for the application's pings: each ends the silence.
  def with_pings(socket)
    (2 * SECONDS).times do
      sleep 0.5
      assert_equal "PING", socket.say("ping").hear
    end
    socket.close
  end
end
