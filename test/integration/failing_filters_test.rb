# frozen_string_literal: true

require "open3"
require_relative "support/integration_test"

# mod_substitute fails at a line above SubstituteMaxLineLength, and mod_sed drops the bucket that
# says that the answer is broken. No client takes such an answer for whole.
class FailingFiltersTest < IntegrationTest
  # /LINES: so many short lines, then a line that is too long. /LINES/LENGTH: then one of LENGTH.
  # /LINES/raise: then an exception. ?FIFO: waits for the test before that.
  APP = <<~'RUBY'
    LONG = 2_000_000
    run(lambda do |env|
      _, lines, last = env["PATH_INFO"].split("/")
      body = Enumerator.new do |answer|
        answer << "#{'y' * 99}\n" * lines.to_i if lines.to_i.positive?
        File.open(env["QUERY_STRING"], "r+").gets unless env["QUERY_STRING"].empty?
        raise IOError, "no more" if last == "raise"
        answer << "x" * (last || LONG).to_i
      end
      [200, { "Content-Type" => "text/plain" }, body]
    end)
  RUBY
  HTTP2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")
  # What curl says to a stream that was reset.
  RESET = 92

  serve do |made|
    made.main_directives << "LoadModule http2_module #{HTTP2}\nProtocols h2c http/1.1\n" if http2?
    %w[filter substitute sed].each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
    app = SampleApps.written(APP)
    filter = "SetOutputFilter SUBSTITUTE\nSubstitute s/foo/bar/n\n"
    made.site("filtered.test", app, filter)
    made.site("buffered.test", app, "#{filter}PassengerBufferResponse on\n")
    made.site("sed.test", app, "<Location />\n  SetOutputFilter Sed\n" \
                               "  OutputSed s/foo/bar/\n</Location>\n")
  end

  def self.http2?
    File.exist?(HTTP2) && HttpdConfiguration.new.mpm != "prefork"
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
    assert_broken_off(exchanged("/20000", "1.1"))
    assert_raises(Errno::ECONNRESET) { exchanged("/20000", "1.0") }
  end

  def test_a_filter_that_fails_breaks_the_stream_off
    assert_equal RESET, curl("/20000", "filtered.test")
  end

  # mod_substitute fails at the last piece, which has the end of the answer. The connection has
  # nothing to send at this moment.
  def test_a_filter_that_fails_at_the_end_breaks_the_stream_off
    [1_051_000, 1_057_000, 1_065_000, 1_070_000].each do |length|
      path = fifo("fifo#{length}")
      file = File.join(scratch, length.to_s)
      client = Thread.new { curl("/600/#{length}?#{path}", "filtered.test", file) }
      eventually("the lines arrive") { File.size?(file) == 60_000 }
      # mod_http2 then waits for events of the connection.
      sleep 0.3
      release(path)
      assert_equal RESET, client.value, length
    end
  end

  def test_a_filter_hides_no_broken_answer
    assert_broken_off(exchanged("/1000/raise", "1.1", "sed.test"))
    assert_raises(Errno::ECONNRESET) { exchanged("/1000/raise", "1.0", "sed.test") }
  end

  def test_a_filter_hides_no_broken_stream
    assert_equal RESET, curl("/1000/raise", "sed.test")
    assert_equal 0, curl("/1000/10", "sed.test")
  end

  private

  def assert_broken_off(text)
    assert_match(%r{\AHTTP/1\.1 200 }, text)
    refute text.end_with?("0\r\n\r\n")
    assert_equal 1, text.scan("HTTP/1.1 ").size, "an answer within the body"
  end

  # What the server writes until it closes the connection. A second request is on its way.
  def exchanged(path, version, site = "filtered.test")
    socket = TCPSocket.new("127.0.0.1", server.port)
    head = "Host: #{site}\r\nConnection: keep-alive\r\n\r\n"
    socket.write("GET #{path} HTTP/#{version}\r\n#{head}GET /0 HTTP/#{version}\r\n#{head}")
    Timeout.timeout(Eventually::LIMIT) { socket.read }
  ensure
    socket&.close
  end

  # Returns curl's exit status.
  def curl(path, site, file = File::NULL)
    skip "needs mod_http2" unless self.class.http2?
    _, status = Open3.capture2("curl", "--silent", "--http2-prior-knowledge", "--no-buffer",
                               "--max-time", Eventually::LIMIT.to_s, "--output", file,
                               "--header", "Host: #{site}",
                               "http://127.0.0.1:#{server.port}#{path}")
    status.exitstatus
  end
end
