# frozen_string_literal: true

require_relative "support/busy_instance"
require_relative "support/integration_test"

# How many requests may wait for an instance, and how long.
class QueueLimitsTest < IntegrationTest
  include BusyInstance

  PATIENCE = 1

  serve do |made|
    one_instance = "PassengerMaxInstances 1\n"
    made.site("short.test", SampleApps.rack, "#{one_instance}PassengerMaxRequestQueueSize 2\n" \
                                               "<Location /pid>\n" \
                                               "  PassengerMaxRequestQueueSize 5\n</Location>\n")
    made.site("marked.test", SampleApps.rack, "#{one_instance}PassengerMaxRequestQueueSize 2\n" \
                                              "PassengerRequestQueueOverflowStatusCode 425\n")
    made.site("replaced.test", SampleApps.rack, <<~CONF)
      #{one_instance}PassengerMaxRequestQueueSize 2
      PassengerErrorOverride on
      ErrorDocument 503 "httpd's 503"
      ErrorDocument 429 "httpd's 429"
      <Location /pid>
        PassengerRequestQueueOverflowStatusCode 429
      </Location>
      <Location /env>
        PassengerRequestQueueOverflowStatusCode 529
      </Location>
    CONF
    made.site("unlimited.test", SampleApps.rack, "#{one_instance}PassengerMaxRequestQueueSize 0\n")
    made.site("patient.test", SampleApps.rack,
              "#{one_instance}PassengerMaxRequestQueueTime #{PATIENCE}\n")
    made.site("broken.test", SampleApps.written("raise 'as asked'"),
              "PassengerFriendlyErrorPages off\nPassengerCustomErrorPage /nonexistent/sorry.html\n")
    root = SampleApps.rack
    made.site("htaccess.test", root,
              "#{one_instance}<Directory \"#{root}/public\">\n  AllowOverride All\n</Directory>\n")
    File.write(File.join(root, "public/.htaccess"), "PassengerMaxRequestQueueTime #{PATIENCE}\n")
  end

  def test_a_request_that_finds_the_queue_full_is_refused_at_once_and_those_before_it_are_answered
    in_one_of(3) do
      requests = while_busy("short.test") do
        ask(5, "short.test").tap do |asked|
          eventually("three refusals", within: 5) { asked.count { |request| !request.alive? } == 3 }
        end
      end
      refused, answered = requests.map(&:value).partition { |answer| answer.code == "503" }
      assert_equal ["hello world\n"] * 2, answered.map(&:body)
      assert_equal 3, refused.size
      refused.each { |refusal| assert_match(/\A\d+\z/, refusal["Retry-After"]) }
    end
  end

  def test_the_status_of_a_refusal_may_be_another_one
    json = nil
    requests = while_busy("marked.test") do
      fill_queue("marked.test").tap do
        json = client("marked.test").get("/hello", "Accept" => "application/json")
      end
    end
    refused = requests.map(&:value).reject { |answer| answer.code == "200" } << json
    assert_equal ["425"], refused.map(&:code).uniq
    refused.each do |refusal|
      assert_match(/\A\d+\z/, refusal["Retry-After"])
      assert_match(/is busy/, refusal.body)
    end
    assert_equal 425, JSON.parse(json.body)["status"]
  end

  # httpd has no ErrorDocument for 529.
  def test_with_error_override_a_refusal_has_httpds_error_document
    refused = nil
    requests = while_busy("replaced.test") do
      fill_queue("replaced.test").tap do
        refused = %w[/hello /pid /env].map { |path| client("replaced.test").get(path) }
      end
    end
    requests.each(&:value)
    assert_equal [["503", "httpd's 503"], ["429", "httpd's 429"]],
                 refused.first(2).map { |answer| [answer.code, answer.body] }
    assert_equal "529", refused.last.code
    assert_match(/is busy/, refused.last.body)
    refused.each { |answer| assert_match(/\A[2-6]\z/, answer.get_fields("Retry-After").join(" ")) }
  end

  def test_many_refusals_leave_few_lines_in_the_log
    assert_few_lines(/event=request.refused .*status=503/) do |attempts|
      requests = while_busy("short.test") do
        fill_queue("short.test").tap { attempts.times { ask_in_vain("short.test") } }
      end
      requests.each(&:value)
    end
  end

  def test_many_requests_that_waited_too_long_leave_few_lines_in_the_log
    assert_few_lines(/event=request.refused .*status=504/) do |attempts|
      while_busy("patient.test") do
        attempts.times.each_slice(15) do |some|
          ask(some.size, "patient.test").each { |request| assert_status 504, request.value }
        end
      end
    end
  end

  def test_many_requests_of_an_application_that_does_not_start_leave_few_lines_in_the_log
    kinds = [/event=request.refused .*status=500/, /event=error_page.unreadable/]
    assert_few_lines(*kinds) do |attempts|
      attempts.times { assert_status 500, client("broken.test").get("/") }
    end
  end

  def test_places_of_one_application_may_have_limits_of_their_own
    in_one_of(3) do
      requests = while_busy("short.test") do
        strict = ask(3, "short.test")
        eventually("a refusal", within: 5) { strict.any? { |request| !request.alive? } }
        strict + ask(4, "short.test", "/pid").tap do |lenient|
          eventually("another", within: 5) { lenient.any? { |request| !request.alive? } }
        end
      end
      codes = requests.map { |request| request.value.code }
      assert_equal [%w[200 200 503], %w[200 200 200 503]], [codes.first(3).sort, codes.last(4).sort]
    end
  end

  def test_the_queue_may_have_no_limit
    requests = while_busy("unlimited.test") do
      # Gives them time to enter the queue. If the time is too short, the test only checks less.
      ask(30, "unlimited.test").tap { sleep 0.3 }
    end
    assert_equal ["200"] * 30, requests.map { |request| request.value.code }
  end

  def test_a_request_that_waited_too_long_is_refused_and_never_reaches_the_application
    assert_given_up("patient.test")
  end

  def test_the_time_may_be_limited_in_an_htaccess_file
    assert_given_up("htaccess.test")
  end

  def test_the_time_in_the_application_does_not_count_as_waiting
    wait_for_instance("patient.test")
    in_one_of(3) { assert_status 200, client("patient.test").get("/slow?seconds=#{PATIENCE + 1}") }
  end

  private

  # The application has only one.
  def while_busy(site)
    wait_for_instance(site)
    super
  end

  # The first requests may wait too long for the start of the instance.
  def wait_for_instance(site)
    eventually("an instance", within: 60) { client(site).get("/hello").code == "200" }
  end

  # Runs the block, which is to make so many attempts to get an answer.
  def assert_few_lines(*kinds)
    # The prefork MPM has more children, so more requests wait.
    children = server.tree.httpd_children.size
    position = server.log.position
    began = Eventually.monotonic
    yield 30 * children
    spans = 1 + ((Eventually.monotonic - began) / 10).ceil
    kinds.each do |kind|
      lines = server.log.text(position).lines.grep(kind)
      assert_operator lines.size, :<=, 10 * spans * children, "ten for each child in ten seconds"
      lines.each { |line| assert_match(/left_out=\d+/, line) }
    end
  end

  # Sends `count` requests, each in a thread of its own. They do not begin at the same moment: the
  # count may be wrong by the number of those that do.
  def ask(count, site, path = "/hello")
    Array.new(count) do
      Thread.new { server.client(site, timeout: 60).get(path) }.tap { sleep 0.02 }
    end
  end

  # Returns requests of which two wait: the limit.
  def fill_queue(site)
    waiting = []
    eventually("a full queue") do
      waiting.concat(ask(1, site))
      waiting.size > 2 && waiting.count(&:alive?) == 2
    end
    waiting
  end

  # The request enters the queue and gets no answer.
  def ask_in_vain(site)
    server.client(site, timeout: 5).get("/hello")
  rescue Net::ReadTimeout
    nil
  end

  def assert_given_up(site)
    seen = File.join(scratch, "seen")
    in_one_of(3) do
      while_busy(site) do
        before = Eventually.monotonic
        %i[get post].map do |verb|
          Thread.new { client(site).public_send(verb, "/slow?seconds=0&started=#{seen}") }
        end
                    .each { |request| assert_match(/busy/, assert_status(504, request.value).body) }
        assert_includes PATIENCE..(PATIENCE + 2), Eventually.monotonic - before
      end
    end
    # A request that was queued earlier would run earlier.
    wait_for_instance(site)
    refute_path_exists seen
  end
end
