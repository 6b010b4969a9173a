# frozen_string_literal: true

require "json"
require "open3"
require "yaml"

require_relative "support/integration_test"

# The queries of doc/monitoring/README.md and the alerts, with series that promtool makes.
class MonitoringRulesTest < IntegrationTest
  FOLDER = File.join(TestEnvironment::SOURCE_DIR, "doc/monitoring")
  ALERTS = File.join(FOLDER, "alerts.yml")
  REQUESTS = 'passenger_app_requests_total{app="a",instance="h"}'
  LOST = 'passenger_app_request_failures_total{app="a",instance="h",reason="lost"}'
  LEFT = 'passenger_app_request_failures_total{app="a",instance="h",reason="client_left"}'
  RESTARTS = 'passenger_app_restarts_total{app="a",instance="h"}'
  FAILS = "part of the requests without an answer"
  DEPLOY = "did a deploy arrive"

  def test_requests_without_an_answer_are_a_part_of_all
    check({ REQUESTS => "0+30x20", LOST => "0+10x20", LEFT => "0+50x20" },
          "round(#{query(FAILS)}, 0.01)" => "0.25")
    check({ REQUESTS => "0+0x20", LOST => "0+10x20" }, "round(#{query(FAILS)}, 0.01)" => "1")
    check({ REQUESTS => "0+30x20" }, "count(#{query(FAILS)} > 0)" => nil)
  end

  def test_an_alert_fires_where_all_requests_or_some_fail
    check({ REQUESTS => "0+0x20", LOST => "0+10x20" }, firing("PassengerRequestsFail") => "1")
    check({ REQUESTS => "0+90x20", LOST => "0+10x20" }, firing("PassengerRequestsFail") => "1")
    check({ REQUESTS => "0+90x20", LEFT => "0+10x20" }, firing("PassengerRequestsFail") => nil)
  end

  def test_an_alert_says_how_much_is_kept
    tell({ 'passenger_spool_bytes{instance="h"}' => "900x20",
           'passenger_spool_limit_bytes{instance="h"}' => "1000x20" },
         "PassengerSpoolNearlyFull", "h keeps 900B of requests and answers in files")
    check({ "passenger_spool_bytes" => "900x20", "passenger_spool_limit_bytes" => "0x20" },
          firing("PassengerSpoolNearlyFull") => nil)
  end

  # Counters begin anew in the next pool process.
  def test_a_deploy_is_told_from_a_new_pool_process
    arrived = "count(#{query(DEPLOY)})"
    check({ RESTARTS => "0x5 1x15" }, arrived => "1")
    check({ RESTARTS => "2x5 0x15" }, arrived => nil)
    check({ RESTARTS => "2x5 0x5 1x10" }, arrived => "1")
  end

  private

  def query(question)
    File.read(File.join(FOLDER, "README.md"))[/^\| #{Regexp.escape(question)} \| `(.*)` \|$/, 1] or
      flunk "no query for #{question}"
  end

  def firing(name)
    "count(ALERTS{alertname=\"#{name}\",alertstate=\"firing\"})"
  end

  # That the alert of host h has this summary after the minutes of the series.
  def tell(series, alert, summary)
    rule = YAML.load_file(ALERTS)["groups"].flat_map { |one| one["rules"] }
               .find { |one| one["alert"] == alert }
    fired = { "exp_labels" => { "instance" => "h" }.merge(rule["labels"]),
              "exp_annotations" => rule["annotations"].merge("summary" => summary) }
    run_promtool(series, "alert_rule_test" => [{ "eval_time" => "19m", "alertname" => alert,
                                                 "exp_alerts" => [fired] }])
  end

  # That each expression has this value after the minutes of the series; nil: none.
  def check(series, expected)
    tests = expected.map do |expression, value|
      samples = value ? [{ "labels" => expression.start_with?("round") ? '{app="a"}' : "{}",
                           "value" => Float(value) }] : []
      { "expr" => expression, "eval_time" => "19m", "exp_samples" => samples }
    end
    run_promtool(series, "promql_expr_test" => tests)
  end

  def run_promtool(series, tests)
    promtool = TestEnvironment.find_command("promtool") or skip "promtool is not installed"
    inputs = series.map { |name, values| { "series" => name, "values" => values } }
    file = File.join(scratch, "test.yml")
    # JSON is YAML, too.
    File.write(file, JSON.generate("rule_files" => [ALERTS], "evaluation_interval" => "1m",
                                   "tests" => [{ "interval" => "1m",
                                                 "input_series" => inputs }.merge(tests)]))
    output, result = Open3.capture2e(promtool, "test", "rules", file)
    assert result.success?, output
  end
end
