# frozen_string_literal: true

require "json"
require_relative "support/command_runner"
require_relative "support/integration_test"

# PassengerSlowRequestLog, and what the agent tells of each request in flight.
class SlowRequestsTest < IntegrationTest
  include CommandRunner

  serve do |made|
    one = "PassengerMaxInstances 1\n"
    slow = "PassengerSlowRequestLog 300ms\n"
    # An instance is asked for backtraces once in ten seconds: one test has one of its own, and its
    # first request, which may be slow, does not ask.
    made.site("traced.test", SampleApps.rack, "#{one}<Location /wait>\n#{slow}</Location>\n")
    made.site("slow.test", SampleApps.rack, "#{one}#{slow}")
    made.site("calm.test", SampleApps.rack,
              "#{one}PassengerSlowRequestLog 1h\n<Location /status>\n" \
              "SetHandler passenger-status\nPassengerStatusDetails On\n</Location>\n")
    made.site("http.test", SampleApps.copy("http_app"),
              "#{one}PassengerSlowRequestLog 100ms\n" \
              "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
  end

  def test_a_slow_request_is_logged_with_backtraces_and_answered
    pid = idle_instance("traced.test")
    position = server.log.position
    waiting("traced.test", "&q=%22", "X-Request-Id" => "id-4711") do
      line = server.log.wait_for(/event=request.slow .*/, from: position)
      assert_match(/ request="id-4711" pid=#{pid} ms=\d+ limit=300ms method="GET" /, line)
      # Without the query, in which a client's secrets may be.
      assert_includes line, ' uri="/wait" client="127.0.0.1"'
      server.log.wait_for(/Thread main of process #{pid}:/, from: position)
    end
    assert_equal pid, idle_instance("traced.test"), "the instance goes on"
  end

  def test_a_request_that_waits_is_logged_without_backtraces
    idle_instance("slow.test")
    waiting("slow.test") do
      position = server.log.position
      second = Thread.new { client("slow.test").get("/hello") }
      server.log.wait_for(%r{event=request.slow .* uri="/hello" .*"no instance has taken it"},
                          from: position)
      second
    end.then { |second| assert_status 200, second.value }
  end

  def test_requests_within_the_limit_are_not_logged
    position = server.log.position
    waiting("calm.test") { eventually("its age") { oldest("calm.test").to_f > 0.5 } }
    refute_match(/event=request.slow/, server.log.text(position))
  end

  def test_an_application_that_speaks_http_is_not_disturbed
    assert_status 200, client("http.test").get("/")
    pid = told("http.test")["instances"].first["pid"]
    position = server.log.position
    answer = Thread.new { client("http.test").get("/slow") }
    server.log.wait_for(%r{event=request.slow .* uri="/slow}, from: position)
    assert_status 200, answer.value
    assert_equal [pid], told("http.test")["instances"].map { |one| one["pid"] }
  end

  def test_requests_are_told_with_instance_client_and_url
    pid = idle_instance("slow.test")
    waiting("slow.test") do
      second = Thread.new { client("slow.test").get("/hello?x=1") }
      requests = nil
      eventually("both requests") do
        requests = told("slow.test")["requests"]
        requests.size == 2
      end
      assert_equal [pid, 0], requests.map { |one| one["pid"] }
      assert_equal ["127.0.0.1", "GET", "/hello?x=1"],
                   requests.last.values_at("client", "method", "uri")
      assert_match(%r{^ +[\d.]+ m?s  GET /hello\?x=1  from 127\.0\.0\.1$},
                   succeed(STATUS, "--show=requests"))
      second
    end.then { |second| assert_status 200, second.value }
    eventually("none") { told("slow.test")["requests"].empty? }
  end

  # A child of httpd that was taken over would read the secrets in them of all requests.
  def test_httpd_does_not_learn_the_queries_of_requests
    waiting("slow.test") do
      name = told("slow.test")["name"]
      requests = nil
      eventually("the request in work") do
        status = client("calm.test").get("/status?json&app=#{URI.encode_www_form_component(name)}")
        requests = JSON.parse(status.body).fetch("apps").first.fetch("requests")
        requests.any?
      end
      assert_equal [["127.0.0.1", "/wait"]],
                   (requests.map { |one| one.values_at("client", "uri") })
    end
  end

  private

  def idle_instance(site)
    eventually("an instance") { client(site).pid }
  end

  # Runs the block while a request is in work. Returns the block's value.
  def waiting(site, more = "", headers = {})
    path = fifo
    answer = Thread.new { client(site).get("/wait?fifo=#{path}#{more}", headers) }
    eventually("the request in work") { oldest(site) }
    result = yield
    release(path)
    assert_status 200, answer.value
    result
  end

  def told(site)
    app(site.delete_suffix(".test"))
  end

  # The age of the oldest request in work.
  def oldest(site)
    told(site)&.fetch("requests")&.find { |one| one["pid"].positive? }&.fetch("age")
  end
end
