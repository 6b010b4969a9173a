# frozen_string_literal: true

require "json"
require "open3"
require "rexml/document"

require_relative "support/integration_test"

# SetHandler passenger-status: its forms, what they show to whom, and httpd's rules for it.
class StatusTest < IntegrationTest
  HOSTILE = %(<script>alert("1")</script>\\n} 1)
  PLACE = "<Location /status>\nSetHandler passenger-status\n</Location>\n" \
          "<Location /details>\nSetHandler passenger-status\nPassengerStatusDetails On\n" \
          "</Location>\n"
  MONITORING = File.join(TestEnvironment::SOURCE_DIR, "doc/monitoring")
  BROKEN = "raise 'swordfish'\n"

  serve do |made|
    @folder = SampleApps.rack
    made.site("rack.test", @folder,
              "#{PLACE}<Location /refused>\nSetHandler passenger-status\n" \
              "Require all denied\n</Location>\n" \
              "<Location /rewritten>\nRewriteEngine On\n" \
              "RewriteRule .* - [H=passenger-status]\n</Location>\n")
    made.site("fast.test", SampleApps.rack, "PassengerHighPerformance On\n#{PLACE}")
    made.site("hostile.test", SampleApps.rack, "PassengerAppGroupName '#{HOSTILE}'\n")
    made.site("broken.test", SampleApps.written(BROKEN))
  end

  class << self
    attr_reader :folder
  end

  def setup
    assert_status 200, client("rack.test").get("/")
  end

  def status(query = "", site: "rack.test", place: "/details", headers: {})
    client(site).get("#{place}#{query}", headers)
  end

  def text(query = "", **options)
    assert_status(200, status(query, **options)).body.force_encoding(Encoding::UTF_8)
  end

  def app_name
    "#{self.class.folder} (production)"
  end

  def short_name
    name = "#{File.basename(self.class.folder)} (production)"
    text("?auto", place: "/status")[/Name: (#{Regexp.escape(name)} #\h{8})$/, 1]
  end

  def instance_pid
    client("rack.test").get("/pid").body.strip
  end

  def escaped(name)
    URI.encode_www_form_component(name)
  end

  def test_the_page_has_a_row_for_each_application
    assert_status 500, client("broken.test").get("/")
    response = assert_status(200, status)
    assert_equal "text/html; charset=utf-8", response["Content-Type"]
    assert_equal "no-store", response["Cache-Control"]
    assert_match(/default-src 'none'.*script-src 'nonce-\h+'/, response["Content-Security-Policy"])
    [app_name, "swordfish", ">up</span>", ">failed</span>"].each do |part|
      assert_includes response.body, part
    end
  end

  def test_an_application_has_a_page_of_its_own
    page = text("?app=#{escaped(app_name)}")
    [instance_pid, "instance.started", "Service time", "Folder"].each do |part|
      assert_includes page, part
    end
    assert_status 404, status("?app=nothing")
  end

  def test_a_stranger_sees_no_insides
    assert_status 500, client("broken.test").get("/")
    %w[? ?json ?auto ?metrics ?xml].push("?app=#{escaped(short_name)}").each do |query|
      # The page's script may have the user's name as a variable.
      shown = text(query, place: "/status").gsub(%r{<script.*?</script>}m, "")
      assert_includes shown, File.basename(self.class.folder), query
      refute_includes shown, File.dirname(self.class.folder), query
      refute_match(/swordfish|instance\.started|#{TestEnvironment.web_user}/, shown, query)
    end
    assert_match(/"pid":0/, text("?json", place: "/status"))
  end

  def test_a_hostile_name_of_an_application_is_escaped
    assert_status 200, client("hostile.test").get("/")
    page = text
    refute_includes page, "<script>alert"
    assert_includes page, "&lt;script&gt;alert(&quot;1&quot;)"
    assert_includes text("?metrics"), %(app="<script>alert(\\"1\\")</script>)
    assert(JSON.parse(text("?json"))["apps"].any? { |app| app["name"].start_with?("<script>") })
  end

  def test_json_is_what_the_agent_tells
    apps = JSON.parse(text("?json&app=#{escaped(app_name)}"))["apps"]
    assert_equal [app_name], apps.map { |one| one["name"] }
    assert_equal "serving", apps[0]["state"]
    assert_operator apps[0]["counters"]["requests"], :>=, 1
    assert_operator apps[0]["instances"][0]["pid"], :>, 1
  end

  def test_auto_has_lines_as_mod_status
    lines = text("?auto").lines
    assert_empty(lines.grep_v(/\A[\w\[\]]+: .*\n\z/))
    assert_includes lines, "MaxPoolSize: 6\n"
    assert(lines.any? { |line| line.match?(/\AApp\[\d+\]Name: #{Regexp.escape(app_name)}\n/) })
  end

  def test_every_form_tells_of_httpds_workers_and_spool_files
    %w[/status /details].each do |place|
      told = JSON.parse(text("?json", place: place))
      # This request has a worker.
      assert_operator told["httpd_workers"]["busy"], :>=, 1
      assert_operator told["httpd_workers"]["idle"], :>=, 1
      assert_equal 0, told["spool"]["bytes"]
      assert_operator told["spool"]["limit"], :>, 0
      assert_match(/^HttpdWorkersLimit: #{told['httpd_workers']['limit']}$/,
                   text("?auto", place: place))
      metrics = text("?metrics", place: place)
      assert_match(/^passenger_httpd_workers\{state="busy"\} [1-9]/, metrics)
      assert_match(/^passenger_spool_bytes 0$/, metrics)
      assert_match(/Workers of httpd.*Spool files/m, text(place: place))
    end
  end

  def test_the_body_of_a_waiting_upload_counts_as_a_spool_file
    raw = server.raw
    raw.request("POST", "/hello", "Content-Length" => "2000000").write("x" * 1_000_000)
    eventually("a spool file") do
      JSON.parse(text("?json"))["spool"]["bytes"].between?(800_000, 1_100_000)
    end
    raw.close
    raw = nil
    eventually("no spool file") { JSON.parse(text("?json"))["spool"]["bytes"].zero? }
  ensure
    raw&.close
  end

  def test_xml_is_that_of_passenger_status
    document = REXML::Document.new(text("?xml"))
    path = "/info/supergroups/supergroup/group/processes/process/pid"
    assert_includes REXML::XPath.match(document, path).map(&:text), instance_pid
    assert_equal "6", REXML::XPath.first(document, "/info/max").text
  end

  def test_metrics_come_in_the_format_that_the_client_accepts
    plain = status("?metrics")
    assert_equal "text/plain; version=0.0.4; charset=utf-8", plain["Content-Type"]
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    open = status("?metrics=", headers: { "Accept" => accept })
    assert_match(%r{\Aapplication/openmetrics-text; version=1\.0\.0}, open["Content-Type"])
    assert open.body.end_with?("# EOF\n")
    assert_match(/^passenger_app_requests_created\{app="#{Regexp.escape(app_name)}"\} \d+\.\d+$/,
                 open.body)
  end

  def test_promtool_finds_nothing_wrong_with_the_metrics
    promtool = TestEnvironment.find_command("promtool") or skip "promtool is not installed"
    assert_status 200, client("hostile.test").get("/")
    output, result = Open3.capture2e(promtool, "check", "metrics", stdin_data: text("?metrics"))
    assert result.success?, output
    assert_empty output
  end

  def test_prometheus_scrapes_and_answers_a_query
    prometheus = TestEnvironment.find_command("prometheus") or skip "prometheus is not installed"
    series = %(passenger_app_requests_total{app="#{app_name}"})
    requests = Integer(text("?metrics")[/^#{Regexp.escape(series)} (\d+)/, 1])
    with_prometheus(prometheus) do |port|
      eventually("the application's requests in Prometheus") do
        found = query(port, series)
        found.size == 1 && Integer(found[0]["value"][1]) >= requests
      end
      time = query(port, "histogram_quantile(0.9, sum by (app, le) " \
                         "(passenger_app_service_time_seconds_bucket{app=\"#{app_name}\"}))")
      assert_includes 0.0..60.0, Float(time[0]["value"][1])
      assert_equal(["1"], query(port, "up").map { |one| one["value"][1] })
    end
  end

  def test_prometheus_can_read_the_examples
    promtool = TestEnvironment.find_command("promtool") or skip "promtool is not installed"
    { "rules" => "alerts.yml", "config" => "prometheus.yml" }.each do |kind, file|
      output, result = Open3.capture2e(promtool, "check", kind, File.join(MONITORING, file))
      assert result.success?, output
    end
    assert JSON.parse(File.read(File.join(MONITORING, "grafana-dashboard.json")))["panels"]
  end

  def test_httpds_access_rules_protect_it
    assert_status 403, status(place: "/refused")
  end

  def test_other_methods_are_refused
    assert_status 200, client.head("/status")
    response = assert_status 405, client.post("/status", "x")
    assert_match(/\bGET\b/, response["Allow"])
    assert_match(/\bHEAD\b/, response["Allow"])
    refute_match(/\bPOST\b/, response["Allow"])
  end

  def test_no_application_gets_such_a_url
    ["/status", "/status/below", "/details"].each do |path|
      %w[rack.test fast.test].each do |site|
        assert_includes client(site).get(path).body, "<title>Passenger</title>", "#{site}#{path}"
      end
    end
    assert_includes client.get("/rewritten").body, "<title>Passenger</title>"
    assert_equal "hello world\n", client.get("/").body
  end

  def test_without_an_agent_it_says_so
    made = configuration { |one| one.site("rack.test", SampleApps.rack, PLACE) }
    made.set("PassengerAgentTimeout", 0)
    with_server(made) do |own|
      assert_status 200, own.client.get("/status")
      watchdog = own.tree.matching(/passenger-agent watchdog/).first
      pool = own.tree.matching(/passenger-agent pool/).first
      begin
        [watchdog, pool].each { |one| ProcessInfo.stop(one.pid) }
        response = assert_status 503, own.client.get("/status")
        assert_match(/does not answer/, response.body)
        assert_match(/\A\d+\z/, response["Retry-After"])
      ensure
        Process.kill(:CONT, pool.pid, watchdog.pid)
      end
      eventually("the page again") { own.client.get("/status").code == "200" }
    end
  end

  private

  # A Prometheus that scrapes /details as the example says. Yields its port.
  def with_prometheus(program)
    port = UnusedPort.find
    config = File.read(File.join(MONITORING, "prometheus.yml"))
    { "15s" => "1s", "- alerts.yml" => "- #{MONITORING}/alerts.yml",
      "/passenger-status" => "/details", "127.0.0.1:80" => "127.0.0.1:#{server.port}" }
      .each { |from, to| config.gsub!(from, to) or flunk("prometheus.yml has no #{from}") }
    File.write(File.join(scratch, "prometheus.yml"), config)
    pid = spawn(program, "--config.file=#{scratch}/prometheus.yml",
                "--storage.tsdb.path=#{scratch}/data",
                "--web.listen-address=127.0.0.1:#{port}",
                %i[out err] => File.join(scratch, "prometheus.log"))
    yield port
  ensure
    Process.kill(:TERM, pid)
    Process.wait(pid)
  end

  # The series of an instant query. Before Prometheus listens, a SystemCallError.
  def query(port, expression)
    path = "/api/v1/query?query=#{escaped(expression)}"
    JSON.parse(Net::HTTP.get("127.0.0.1", path, port))["data"]["result"]
  rescue JSON::ParserError
    []
  end
end
