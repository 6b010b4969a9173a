# frozen_string_literal: true

require_relative "support/integration_test"

# Clients that take no bytes of a connection that a thread of httpd passes on, and applications that
# take none.
class StuckRelaysTest < IntegrationTest
  TIMEOUT = 2
  # Longer than Timeout.
  READING = 2 * TIMEOUT

  # Takes the connection of /taken over, and reads while it writes.
  APP = <<~'RUBY'
    HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    kept = []
    run(lambda do |env|
      next [200, {}, []] if env["PATH_INFO"] == "/"

      io = env["rack.hijack"].call
      if env["PATH_INFO"] == "/kept"
        io.write(HEAD)
        kept << io
        next [-1, {}, []]
      end
      works = [-> { io.write(HEAD, "x" * 50_000_000) }, -> { io.readpartial(100) while true }]
      works.each { |work| Thread.new { work.call rescue io.close } }
      [-1, {}, []]
    end)
  RUBY

  serve do |made|
    made.main_directives << "Timeout #{TIMEOUT}\n"
    made.site("hijack.test", SampleApps.written(APP), "PassengerTransferConnections off\n")
  end

  def setup
    # A start may take longer than httpd's Timeout.
    eventually("an instance") { client.get("/").code == "200" }
  end

  def test_a_client_that_sends_and_takes_nothing_is_given_up
    raw = server.raw(window: 4096)
    raw.request("GET", "/taken").read_head
    sender = sending(raw)
    server.log.wait_for(/event=connection\.given_up .*the client read nothing/, from: @log_position)
    sender.join
  ensure
    sender&.kill
    raw&.close
  end

  def test_a_client_that_sends_and_takes_bytes_now_and_then_stays
    in_one_of(3) do
      position = server.log.position
      raw = server.raw
      raw.request("GET", "/taken").read_head
      sender = sending(raw)
      (READING * 5).times { raw.read_bytes(1_000_000) && sleep(0.2) }
      assert_equal 0, server.log.text(position).scan("connection.given_up").size
    ensure
      sender&.kill
      raw&.close
    end
  end

  # More than the application's socket takes. The end of file is behind less than the client's does.
  def test_a_client_that_has_left_is_given_up_though_the_application_takes_nothing
    raw = server.raw
    raw.request("GET", "/kept").read_head
    raw.write("x" * 250_000)
    raw.close
    server.log.wait_for(/event=connection\.given_up .*the application took nothing/,
                        from: @log_position)
  end

  private

  # A thread that sends a byte more often than every Timeout, until the connection is cut.
  def sending(raw)
    Thread.new do
      loop do
        raw.write("x")
        sleep TIMEOUT / 10.0
      end
    rescue SystemCallError
      nil
    end
  end
end
