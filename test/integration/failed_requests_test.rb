# frozen_string_literal: true

require "json"

require_relative "support/command_runner"
require_relative "support/integration_test"

# Each request is counted once: as answered, or by the reason for which it was not.
class FailedRequestsTest < IntegrationTest
  include CommandRunner

  APP = <<~RUBY
    parts = ->(end_) { Enumerator.new { |to| to << "part" * 10_000; end_.call; to << "end" } }
    run lambda { |env|
      case env["PATH_INFO"]
      when "/exit" then exit!
      when "/cut" then [200, {}, parts.call(-> { exit! })]
      when "/hang" then sleep
      when "/halting" then [200, {}, parts.call(-> { sleep })]
      when "/short" then [200, { "content-length" => "11" }, ["x" * 10]]
      when "/missing" then [404, {}, parts.call(-> {})]
      else [200, {}, parts.call(-> {})]
      end
    }
  RUBY

  serve do |made|
    files = SampleApps.new_folder
    made.set("PassengerMaxPoolSize", 8)
    made.site("ends.test", SampleApps.written(APP), "PassengerMaxInstances 1\n")
    made.site("hangs.test", SampleApps.written(APP),
              "PassengerMaxInstances 1\nPassengerMaxRequestTime 2\n")
    made.site("broken.test", SampleApps.written("raise 'broken on purpose'"))
    made.site("left.test", SampleApps.written(APP),
              "PassengerMaxInstances 1\nPassengerErrorOverride On\nErrorDocument 404 \"missing\"\n")
    made.site("short.test", SampleApps.written(APP))
    made.site("files.test", nil, "<Location /status>\nSetHandler passenger-status\n" \
                                 "PassengerStatusDetails On\n</Location>\n", document_root: files)
  end

  def test_a_request_whose_instance_dies_counts_as_lost
    3.times do
      assert_status 200, client("ends.test").get("/")
      assert_status 502, client("ends.test").post("/exit")
    end
    2.times do
      assert_status 200, client("ends.test").get("/")
      raw = server.raw("ends.test").request("GET", "/cut")
      # httpd may learn of the death before it has sent the head.
      assert_includes [200, 502], raw.read_head.status
      raw.read_to_end
      raw.close
    end
    assert_counted "ends", "requests" => 5, "lost" => 5
    assert_match(/^passenger_app_request_failures_total\{.*reason="lost"\} 5$/, metrics)
  end

  def test_a_request_that_takes_too_long_counts_as_overrun
    assert_status 504, client("hangs.test").post("/hang")
    assert_counted "hangs", "overran" => 1
  end

  def test_a_request_for_which_no_instance_starts_counts_as_not_started
    3.times { assert_status 500, client("broken.test").get("/") }
    assert_counted "broken", "not_started" => 3
    assert_match(/^passenger_app_request_failures_total\{.*reason="not_started"\} 3$/, metrics)
  end

  def test_an_answer_that_is_not_read_to_its_end_counts_by_the_reason
    assert_status 200, client("left.test").head("/")
    assert_status 404, client("left.test").get("/missing")
    assert_counted "left", "requests" => 2
    raw = server.raw("left.test").request("GET", "/halting")
    assert_equal 200, raw.read_head.status
    raw.abort
    assert_counted "left", "requests" => 2, "clients_left" => 1
  end

  # Its only message is there before its length is judged.
  def test_a_malformed_answer_counts_as_lost
    assert_status 502, client("short.test").get("/short")
    assert_counted "short", "lost" => 1
  end

  private

  ENDS = %w[requests refused over_share timed_out clients_left lost overran not_started].freeze

  # No other end of a request is counted.
  def assert_counted(name, expected)
    eventually("the counts of #{name}") do
      told = app(name)["counters"].slice(*ENDS).reject { |_, count| count.zero? }
      assert_equal expected, told
      true
    end
  end

  def metrics
    assert_status(200, client("files.test").get("/status?metrics")).body
  end
end
