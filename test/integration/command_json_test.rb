# frozen_string_literal: true

require "json"

require_relative "support/two_apps"

# What commands print with --json: one object, whose status is the exit status.
class CommandJsonTest < IntegrationTest
  include TwoApps

  def setup
    super
    eventually("one instance of both serves") do
      %w[blog shop].all? { |one| app(one)["instances"].map { |i| i["state"] } == %w[serving] }
    end
  end

  def test_orders_about_applications_name_them
    name = app("blog")["name"]
    by_path = [root("blog"), "--json"]
    assert_equal({ "status" => 0, "server" => false, "applications" => [name] },
                 told("drain", *by_path, "--wait", "60"))
    assert_equal({ "status" => 0, "server" => false, "applications" => [name] },
                 told("undrain", *by_path))
    %w[drain undrain].each do |order|
      all = told(order, "--all", "--json")
      assert_equal [0, true], all.values_at("status", "server")
      assert_equal apps.map { |one| one["name"] }.sort, all["applications"].sort
    end
    succeed(CONFIG, "drain", root("blog"))
    succeed(CONFIG, "drain", "--all")
    all = told("undrain", "--all", "--json")
    assert_equal [[app("shop")["name"]], [name]], all.values_at("applications", "draining")
    assert_match(/^That of #{Regexp.escape(name)} does, since it was drained by itself: /,
                 succeed(CONFIG, "undrain", "--all"))
    succeed(CONFIG, "undrain", root("blog"))
    assert_equal({ "status" => 0, "applications" => [name], "limit" => 30 },
                 told("pause", *by_path, "--limit", "30", "--wait", "30"))
    assert_equal({ "status" => 0, "applications" => [name] }, told("resume", *by_path))
    assert_equal({ "status" => 0 }, told("reopen-logs", "--json"))
  end

  def test_a_restart_tells_the_outcome_of_each_application
    name = app("shop")["name"]
    ordered = { "name" => name, "outcome" => "ordered" }
    assert_equal({ "status" => 0, "applications" => [ordered] },
                 told("restart-app", root("shop"), "--json"))
    waited = told("restart-app", root("shop"), "--json", "--wait", "60")
    assert_equal [0, [[name, "serves"]]],
                 [waited["status"],
                  waited["applications"].map { |one| one.values_at("name", "outcome") }]
    assert_operator waited["applications"].first["seconds"], :>, 0
    assert_equal({ "status" => 0, "applications" => [] },
                 told("restart-app", "/missing", "--json", "--ignore-app-not-running"))
    assert_equal({ "status" => 0, "applications" => [] },
                 told("restart-app", "--all", "--json", "--ignore-passenger-not-running",
                      "--registry-dir", scratch))
  end

  def test_a_version_that_does_not_start_is_told_with_its_report
    file = File.join(root("shop"), "config.ru")
    good = File.read(file)
    File.write(file, "raise 'broken on purpose'")
    result = told("restart-app", root("shop"), "--json", "--wait", "60", status: 1)
    failed = result["applications"].first
    assert_equal [app("shop")["name"], "failed"], failed.values_at("name", "outcome")
    assert_match(/broken on purpose/, failed["summary"])
    assert_includes succeed(CONFIG, "report", failed["report"]), "broken on purpose"
  ensure
    File.write(file, good)
    succeed(CONFIG, "restart-app", root("shop"), "--wait", "60")
  end

  def test_an_instance_that_is_detached_is_told
    old = pid("shop")
    assert_equal({ "status" => 0, "pid" => old }, told("detach-process", old.to_s, "--json"))
    assert_equal({ "status" => 0, "pid" => nil },
                 told("detach-process", "1", "--json", "--ignore-nonexistant-pid"))
  end

  def test_facts_are_told_as_values
    root = TestEnvironment::PASSENGER_ROOT
    { "root" => root, "ruby-libdir" => "#{root}/lib", "compiled" => true }.each do |subject, value|
      assert_equal({ "status" => 0, "subject" => subject, "value" => value },
                   told("about", subject, "--json"))
      assert_equal value, told("--#{subject}", "--json")["value"]
    end
    assert_equal({ "status" => 1, "subject" => "installed-from-release-package", "value" => false },
                 told("about", "installed-from-release-package", "--json", status: 1))
    assert_match(/\A\d+\.\d+/, told("about", "version", "--json")["value"])
    assert_match(%r{\A/\S+ruby\S*\z}, told("about", "ruby-command", "--json")["value"])
  end

  def test_the_answer_to_a_balancer_is_told_in_parts
    up = told("agent-check", root("blog"), "--json")
    assert_equal [0, "up", "up #{up['weight']}%", ""],
                 up.values_at("status", "state", "answer", "reason")
    succeed(CONFIG, "drain", root("blog"))
    drained = told("agent-check", root("blog"), "--json")
    assert_equal [0, "up", 0], drained.values_at("status", "state", "weight")
    assert_match(/\Athe application .* drains\z/, drained["reason"])
    assert_equal "up 0% ##{drained['reason']}", drained["answer"]
    succeed(CONFIG, "undrain", root("blog"))
    down = told("agent-check", "--json", "--registry-dir", scratch)
    assert_equal [0, "down", nil], down.values_at("status", "state", "weight")
  end

  def test_each_failure_has_one_form
    { %w[restart-app] => 1, %w[restart-app --name none] => 1, %w[restart-app --all --wait x] => 1,
      %w[detach-process 1] => 1, %w[drain --name none] => 1, %w[undrain --name none] => 1,
      %w[pause --all --limit 9999] => 1, %w[resume --nothing] => 1, %w[reopen-logs x] => 1,
      %w[about nothing] => 1, %w[agent-check --all --name x] => 1, %w[report 0000] => 1,
      %w[event none] => 1, %w[explain] => 1, %w[sizing --cores x] => 1,
      %w[build-native-support --ruby /var/empty/ruby] => 1,
      %w[api-call nothing] => 1 }.each do |words, status|
      output, errors, ended = command(CONFIG, *words, "--json")
      told = JSON.parse(output)
      assert_equal [%w[status error], status, status], [told.keys, told["status"], ended], words
      assert_equal "passenger-config: #{told['error']}\n", errors
    end
  end

  def test_the_status_is_told_as_json
    told = JSON.parse(succeed(STATUS, "--json"))
    assert_equal apps.map { |one| one["name"] }.sort, (told["apps"].map { |one| one["name"] }).sort
    [[STATUS, "nobody"], [STATUS, "--nothing"],
     ["passenger-memory-stats", "--nothing"]].each do |words|
      output, errors, status = command(*words, "--json")
      failure = JSON.parse(output)
      assert_equal [1, 1], [status, failure["status"]]
      assert_equal "#{words.first}: #{failure['error']}\n", errors
    end
  end

  def test_a_time_that_is_over_is_a_failure_with_its_status
    path = fifo
    slow = Thread.new { client("blog.test").get("/wait?fifo=#{path}") }
    eventually("the request in work") { app("blog")["instances"].first["sessions"] == 1 }
    [%w[drain], %w[pause]].each do |words|
      result = told(*words, root("blog"), "--json", "--wait", "0.1", status: 3)
      assert_match(/\A1 request is in work/, result["error"])
    end
  ensure
    release(path)
    assert_status 200, slow.value
    %w[resume undrain].each { |order| succeed(CONFIG, order, root("blog")) }
  end

  private

  # What the command prints.
  def told(*words, status: 0)
    output, errors, ended = command(CONFIG, *words)
    assert_equal status, ended, "#{words.join(' ')}: #{errors}#{output}"
    JSON.parse(output)
  end
end
