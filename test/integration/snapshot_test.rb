# frozen_string_literal: true

require "json"
require "rexml/document"

require_relative "support/command_runner"
require_relative "support/control_client"
require_relative "support/integration_test"

# All forms of the status beside one snapshot of the pool, while requests are in work and wait. The
# requests are held, so that the numbers stand still.
class SnapshotTest < IntegrationTest
  include CommandRunner

  SITES = %w[held calm].freeze
  IN_WORK = 2
  WAITING = 3
  PLACE = "<Location /status>\nSetHandler passenger-status\nPassengerStatusDetails On\n" \
          "</Location>\n"
  # Keys of ?auto, and metrics with their labels, by the counters of the JSON.
  AUTO = { "requests" => "TotalRequests", "refused" => "TotalRefused",
           "over_share" => "TotalOverShare", "timed_out" => "TotalTimedOut",
           "clients_left" => "TotalClientsLeft", "lost" => "TotalLost",
           "overran" => "TotalOverran", "not_started" => "TotalNotStarted",
           "spawned" => "TotalSpawned", "spawns_failed" => "TotalSpawnsFailed",
           "restarts" => "TotalRestarts", "deploys_failed" => "TotalDeploysFailed",
           "died" => "TotalDied", "replaced" => "TotalReplaced" }.freeze
  METRICS = { "requests" => "requests_total{%s}",
              "refused" => "request_failures_total{%s,reason=\"queue_full\"}",
              "over_share" => "request_failures_total{%s,reason=\"over_share\"}",
              "timed_out" => "request_failures_total{%s,reason=\"timed_out\"}",
              "clients_left" => "request_failures_total{%s,reason=\"client_left\"}",
              "lost" => "request_failures_total{%s,reason=\"lost\"}",
              "overran" => "request_failures_total{%s,reason=\"overran\"}",
              "not_started" => "request_failures_total{%s,reason=\"not_started\"}",
              "spawned" => "spawns_total{%s}", "spawns_failed" => "spawn_failures_total{%s}",
              "adopted" => "adoptions_total{%s}", "restarts" => "restarts_total{%s}",
              "deploys_failed" => "deploy_failures_total{%s}",
              "died" => "instance_ends_total{%s,reason=\"died\"}",
              "replaced" => "instance_ends_total{%s,reason=\"replaced\"}",
              "evicted" => "instance_ends_total{%s,reason=\"evicted\"}",
              "idled" => "instance_ends_total{%s,reason=\"idle\"}",
              "reforked" => "reforks_total{%s}",
              "reforks_failed" => "refork_failures_total{%s}" }.freeze

  serve do |made|
    made.site("held.test", SampleApps.rack, "PassengerMinInstances #{IN_WORK}\n" \
                                            "PassengerMaxInstances #{IN_WORK}\n")
    made.site("calm.test", SampleApps.rack, "PassengerMaxInstances 1\n")
    made.site("files.test", nil, PLACE, document_root: SampleApps.new_folder)
  end

  def test_each_form_has_the_numbers_of_the_pools_own_snapshot
    holding do
      before = snapshot
      told = %w[json auto metrics xml].to_h { |form| [form, page(form)] }
      told.merge!(%w[pool requests].to_h { |form| [form, succeed(STATUS, "--show=#{form}")] })
      %w[json xml server].each do |form|
        told["command #{form}"] = succeed(STATUS, "--show=#{form}")
      end
      memory = JSON.parse(succeed("passenger-memory-stats", "--json"))
      assert_equal still(before), still(snapshot), "the numbers stand still"

      assert_equal still(before), still(JSON.parse(told["json"]))
      assert_equal still(before), still(JSON.parse(told["command json"]))
      assert_equal before.values_at("max_pool_size", "pool_size"),
                   JSON.parse(told["command server"]).values_at("max_pool_size", "pool_size")
      check_auto(before, told["auto"])
      check_metrics(before, told["metrics"])
      [told["xml"], told["command xml"]].each { |xml| check_xml(before, xml) }
      check_pool(before, told["pool"])
      check_requests(before, told["requests"])
      check_memory(before, memory)
    end
  end

  private

  # While the block runs, IN_WORK requests are in work and WAITING wait.
  def holding
    SITES.each { |site| 3.times { assert_status 200, client("#{site}.test").get("/hello") } }
    gate = fifo
    requests = Array.new(IN_WORK + WAITING) do
      Thread.new { client("held.test").get("/wait?fifo=#{gate}") }
    end
    eventually("the requests in work, and those that wait") do
      held = app("held")
      held["instances"].map { |one| one.values_at("state", "sessions") } ==
        [["serving", 1]] * IN_WORK && held.dig("queue", "waiting") == WAITING
    end
    yield
  ensure
    (IN_WORK + WAITING).times { release(gate) }
    requests&.each { |request| assert_status 200, request.value }
  end

  def snapshot
    ControlClient.in(File.join(server.folder, "run")).status
  end

  def page(form)
    assert_status(200, client("files.test").get("/status?#{form}")).body
      .force_encoding(Encoding::UTF_8)
  end

  # What does not change with time, of the server and of each application.
  def still(status)
    [status.values_at("version", "pool_pid", "httpd_pid", "since", "max_pool_size", "pool_size",
                      "waiting_for_room", "draining", "warming_up"),
     by_name(status).transform_values { |app| still_of(app) }]
  end

  def still_of(app)
    [app.values_at("root", "user", "state", "since", "version", "starting", "counters",
                   "queue_time", "service_time", "crash_looping", "draining"),
     app["queue"].values_at("waiting", "limit", "paused_for"),
     app["instances"].map { |one| one.values_at("pid", "state", "sessions", "processed") }]
  end

  def by_name(status)
    status["apps"].to_h { |app| [app["name"], app] }
  end

  def busy(app)
    app["instances"].sum { |instance| instance["sessions"] }
  end

  def check_auto(before, text)
    lines = text.lines(chomp: true).to_h { |line| line.split(": ", 2) }
    assert_equal before.values_at("max_pool_size", "pool_size").map(&:to_s),
                 lines.values_at("MaxPoolSize", "PoolSize")
    assert_equal before["apps"].size.to_s, lines["Applications"]
    by_name(before).each do |name, app|
      prefix = lines.key(name).delete_suffix("Name")
      expected = { "State" => app["state"], "Version" => app["version"],
                   "Instances" => app["instances"].size, "Starting" => 0, "Busy" => busy(app),
                   "QueueLength" => app["queue"]["waiting"],
                   "QueueLimit" => app["queue"]["limit"] }
      AUTO.each { |counter, key| expected[key] = app["counters"][counter] }
      expected.each { |key, value| assert_equal value.to_s, lines[prefix + key], key }
    end
  end

  def check_metrics(before, text)
    samples = text.lines(chomp: true).reject { |line| line.start_with?("#") }
      .to_h { |line| line.rpartition(" ").values_at(0, 2) }
    assert_equal before["pool_size"].to_s, samples["passenger_pool_instances"]
    by_name(before).each do |name, app|
      label = "app=\"#{name}\""
      expected = { "version{%s}" => app["version"],
                   "instances{%s,state=\"serving\"}" => app["instances"].size,
                   "state{%s,state=\"#{app['state']}\"}" => 1,
                   "requests_in_progress{%s}" => busy(app),
                   "queue_length{%s}" => app["queue"]["waiting"] }
      METRICS.each { |counter, key| expected[key] = app["counters"][counter] }
      %w[queue_time service_time].each do |times|
        expected["#{times}_seconds_count{%s}"] = app[times]["counts"].sum
      end
      expected.each do |key, value|
        sample = "passenger_app_#{format(key, label)}"
        assert_equal value.to_s, samples[sample], sample
      end
    end
  end

  def check_xml(before, text)
    info = REXML::Document.new(text).root
    assert_equal [before["max_pool_size"], before["pool_size"], before["apps"].size],
                 numbers(info, %w[max capacity_used group_count])
    groups = REXML::XPath.match(info, "supergroups/supergroup/group")
    by_name(before).each do |name, app|
      group = groups.find { |one| one.elements["name"].text == name }
      assert_equal [app["queue"]["waiting"], app["instances"].size],
                   numbers(group, %w[get_wait_list_size enabled_process_count])
      processes = REXML::XPath.match(group, "processes/process")
      assert_equal(app["instances"].map { |one| one.values_at("pid", "sessions", "processed") },
                   processes.map { |one| numbers(one, %w[pid sessions processed]) })
    end
  end

  def numbers(element, names)
    names.map { |name| Integer(element.elements[name].text) }
  end

  def check_pool(before, text)
    assert_match(/^Max pool size : #{before['max_pool_size']}$/, text)
    assert_match(/^Processes     : #{before['apps'].sum { |app| app['instances'].size }}$/, text)
    by_name(before).each do |name, app|
      part = text[/^#{Regexp.escape(name)}:\n(?:  .*\n)+/]
      assert_match(/^  Requests in queue: #{app['queue']['waiting']}$/, part)
      shown = part.scan(/PID: (\d+) +Sessions: (\d+) +Processed: (\d+)/)
      assert_equal(app["instances"].map { |one| one.values_at("pid", "sessions", "processed") },
                   shown.map { |one| one.map(&:to_i) })
    end
  end

  def check_requests(before, text)
    by_name(before).each do |name, app|
      part = text[/^#{Regexp.escape(name)}:\n(?:  .*\n)+/]
      assert_match(/^  In work: #{busy(app)}\b/, part)
      assert_match(/^  Waiting: #{app["queue"]["waiting"]}\b/, part)
    end
  end

  def check_memory(before, sections)
    by_name(before).each do |name, app|
      section = sections.find { |one| one["title"] == name }
      pids = section["processes"].map { |process| process["pid"] }
      assert_equal app["instances"].map { |one| one["pid"] }.sort, pids.sort
    end
  end
end
