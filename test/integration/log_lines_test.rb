# frozen_string_literal: true

require_relative "support/integration_test"

# Clients and broken applications cannot fill httpd's log, and no kind of line hides another one.
class LogLinesTest < IntegrationTest
  # /long: longer than its Content-Length. /short: shorter. /row: a line that is too long for
  # mod_substitute. /slow: no answer within PassengerMaxRequestTime.
  APP = <<~'RUBY'
    run(lambda do |env|
      sleep 60 if env["PATH_INFO"] == "/slow"
      length, size = { "/long" => [1, 2], "/short" => [2, 1], "/row" => [2_000_000] * 2 }
                     .fetch(env["PATH_INFO"], [1, 1])
      [200, { "Content-Type" => "text/plain", "Content-Length" => length.to_s }, ["x" * size]]
    end)
  RUBY
  LINES = 10
  INTERVAL = 10
  MANY = 40

  serve do |made|
    %w[filter substitute].each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
    # One connection, and so one httpd child, serves a whole test.
    made.main_directives << "MaxKeepAliveRequests 0\nKeepAliveTimeout 60\n"
    %w[long short].each { |name| made.site("#{name}.test", SampleApps.written(APP)) }
    made.site("late.test", SampleApps.written(APP), "PassengerMaxRequestTime 1\n")
    made.site("failing.test", SampleApps.written(<<~'RUBY'), "PassengerMaxRequestQueueTime 1\n")
      sleep 5 if File.exist?(File.join(__dir__, "slow"))
      raise "as asked"
    RUBY
    made.site("garbled.test", SampleApps.written(APP), "PassengerBufferUpload on\n")
    made.site("filtered.test", SampleApps.written(APP), "PassengerBufferResponse on\n" \
                                                        "SetOutputFilter SUBSTITUTE\n" \
                                                        "Substitute s/foo/bar/n\n")
  end

  def setup
    @position = server.log.position
  end

  def test_answers_that_are_too_long_leave_few_lines_and_the_next_line_counts_the_others
    raw = server.raw("long.test")
    few(/event=response\.cut /) { MANY.times { assert_equal "x", raw.get("/long").body } }
    sleep INTERVAL
    raw.get("/long")
    counted = lines(/event=response\.cut /)
    left_out = counted.sum { |line| line[/left_out=(\d+)/, 1].to_i }
    assert_equal MANY + 1, counted.size + left_out
  ensure
    raw&.close
  end

  def test_failed_requests_leave_few_lines_and_hide_no_other_application
    raw = server.raw("short.test")
    few_failures(raw)
    assert_equal 502, raw.get("/short", "Host" => "long.test:#{server.port}").status
    app = Regexp.escape(root("long.test"))
    server.log.wait_for(/event=request\.failed app="#{app}.*status=502/, from: @position)
  ensure
    raw&.close
  end

  def test_failed_requests_hide_no_failure_of_another_status
    raw = server.raw("late.test")
    few_failures(raw)
    assert_equal 504, raw.get("/slow").status
    server.log.wait_for(/event=request\.failed .*status=504/, from: @position)
  ensure
    raw&.close
  end

  # Requests find a start that fails, and then one that takes too long.
  def test_refusals_of_an_application_that_does_not_start_hide_no_request_that_waited_too_long
    children = server.tree.httpd_children.size
    few(/event=request\.refused .*status=500/, children) do
      (MANY * children).times { assert_status [500, 504], client("failing.test").get("/") }
    end
    File.write(File.join(root("failing.test"), "slow"), "")
    position = server.log.position
    eventually("a request that waits too long") { client("failing.test").get("/").code == "504" }
    app = Regexp.escape(root("failing.test"))
    server.log.wait_for(/event=request\.refused app="#{app}.*status=504/, from: position)
  end

  # httpd closes each of these connections.
  def test_bodies_that_cannot_be_read_leave_few_lines
    children = server.tree.httpd_children.size
    few(/event=request\.given_up /, children) do
      (MANY * children).times do
        raw = server.raw("garbled.test").request("POST", "/", "Transfer-Encoding" => "chunked")
        assert_equal 400, raw.write("zz\r\n").response.status
        raw.close
      end
    end
  end

  def test_answers_at_which_a_filter_fails_leave_few_lines
    children = server.tree.httpd_children.size
    few(/event=response\.lost /, children) do
      (MANY * children).times { assert_status 500, client("filtered.test").get("/row") }
    end
  end

  private

  # The block makes more lines of the kind than `children` httpd children may write.
  def few(kind, children = 1)
    began = Eventually.monotonic
    yield
    spans = 1 + ((Eventually.monotonic - began) / INTERVAL).floor
    assert_includes 1..(LINES * spans * children), lines(kind).size
    lines(kind).each { |line| assert_match(/ left_out=\d+$/, line) }
  end

  def few_failures(raw)
    few(/event=request\.failed .*status=502/) do
      MANY.times { assert_equal 502, raw.get("/short").status }
    end
  end

  def lines(kind)
    server.log.text(@position).lines.grep(kind)
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end
end
