# frozen_string_literal: true

require_relative "support/integration_test"

# mod_substitute fails at a line above SubstituteMaxLineLength. No client takes such an answer for
# whole.
class FailingFiltersTest < IntegrationTest
  # /LINES: so many short lines, then one that is too long.
  APP = <<~'RUBY'
    LONG = 2_000_000
    run(lambda do |env|
      lines = env["PATH_INFO"].delete("/").to_i
      body = lines.zero? ? ["x" * LONG] : ["#{'y' * 99}\n" * lines, "x" * LONG]
      [200, { "Content-Type" => "text/plain" }, body]
    end)
  RUBY

  serve do |made|
    %w[filter substitute].each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
    app = SampleApps.written(APP)
    filter = "SetOutputFilter SUBSTITUTE\nSubstitute s/foo/bar/n\n"
    made.site("filtered.test", app, filter)
    made.site("buffered.test", app, "#{filter}PassengerBufferResponse on\n")
  end

  def test_a_filter_that_fails_before_the_head_gives_an_error_page
    %w[1.1 1.0].each do |version|
      position = server.log.position
      assert_match(%r{\AHTTP/1\.1 500 }, exchanged("/0", version, "buffered.test"))
      server.log.wait_for(/event=response\.lost .*reason="a filter of httpd has failed"/,
                          from: position)
    end
  end

  def test_a_filter_that_fails_later_breaks_the_connection_off
    text = exchanged("/20000", "1.1")
    assert_match(%r{\AHTTP/1\.1 200 }, text)
    refute text.end_with?("0\r\n\r\n")
    assert_equal 1, text.scan("HTTP/1.1 ").size, "an answer within the body"
    assert_raises(Errno::ECONNRESET) { exchanged("/20000", "1.0") }
  end

  private

  # What the server writes until it closes the connection. A second request is on its way.
  def exchanged(path, version, site = "filtered.test")
    socket = TCPSocket.new("127.0.0.1", server.port)
    head = "Host: #{site}\r\nConnection: keep-alive\r\n\r\n"
    socket.write("GET #{path} HTTP/#{version}\r\n#{head}GET /0 HTTP/#{version}\r\n#{head}")
    Timeout.timeout(Eventually::LIMIT) { socket.read }
  ensure
    socket&.close
  end
end
