# frozen_string_literal: true

require "json"

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/made_users"

# passenger-config sizing, with what it measures of a real server.
class SizingTest < IntegrationTest
  include CommandRunner

  MEGABYTE = 1024 * 1024
  # Instances of this application have so much more private memory than an empty one.
  BALLAST = 60

  HEAVY = <<~RUBY
    class Ballast
      def call(_env)
        @memory ||= Array.new(#{BALLAST}) { Random.bytes(#{MEGABYTE}) }
        [200, { "content-type" => "text/plain" }, [@memory.size.to_s]]
      end
    end
    run Ballast.new
  RUBY

  LOOP = 'require("http").createServer((_, response) => response.end("hello")).listen(3000);'

  serve do |made|
    made.set("PassengerMaxPoolSize", 5)
    made.site("light.test", SampleApps.written(SampleApps.saying("light")))
    made.site("heavy.test", SampleApps.written(HEAVY),
              "PassengerThreadCount 3\nPassengerMaxRequestQueueSize 70\n")
  end

  def setup
    needs_root("to measure the memory of other users' processes")
    %w[light heavy].each { |name| assert_status 200, client("#{name}.test").get("/") }
  end

  # An event loop takes all requests at once. 8,192 threads for each would fit no machine.
  def test_an_application_with_an_event_loop_is_sized_for_a_usual_number_of_requests
    skip "there is no node" unless system("node --version >/dev/null 2>&1")
    made = HttpdConfiguration.new
    made.site("loop.test", SampleApps.written(LOOP, "app.js"))
    with_server(made) do |server|
      assert_status 200, server.client.get("/")
      found = sizing
      assert_equal 32, found["apps"].first["concurrency"]
      assert_operator found["max_request_workers"], :<, 1000
    end
  end

  def sizing(*options)
    JSON.parse(succeed(CONFIG, "sizing", "--json", *options))
  end

  def test_the_private_memory_of_each_application_is_measured
    made = sizing
    light, heavy = %w[light heavy].map do |name|
      made["apps"].find { |one| one["name"] == app(name)["name"] }
    end
    figures = [light, heavy].map { |one| one.values_at("instances", "concurrency", "queue_limit") }
    assert_equal [[1, 1, 100], [1, 3, 70]], figures
    more = heavy["private_memory"] - light["private_memory"]
    assert_operator more, :>, (BALLAST - 10) * MEGABYTE
    assert_operator light["private_memory"], :>, 0
    assert_equal heavy["private_memory"], made["largest_instance"]
  end

  def test_the_machine_and_the_present_limit_are_those_of_the_server
    made = sizing
    assert_equal 5, made["present_max_pool_size"]
    assert_operator made["cores"], :<=, Etc.nprocessors
    total = File.read("/proc/meminfo")[/^MemTotal: +(\d+)/, 1].to_i * 1024
    assert_operator made["memory"], :<=, total
    assert_operator made["memory_shared"], :>, 5 * MEGABYTE, "httpd and the agent"
    assert_includes succeed(CONFIG, "sizing"), "    (now 5)\n"
  end

  def test_another_machine_can_be_planned_with_the_measured_applications
    made = sizing("--memory", "1000", "--cores", "3")
    assert_equal [1000 * MEGABYTE, 3, 0],
                 made.values_at("memory", "cores", "memory_of_others")
    # Four requests for a core, since the light application has one thread.
    assert_equal 12, made["pool_by_cores"]
    fits = made["memory_room"] / made["largest_instance"] - 1
    assert_equal [fits, [fits, 12].min], made.values_at("pool_by_memory", "max_pool_size")
  end

  def test_a_plan_without_an_agent_needs_the_memory_of_an_instance
    empty = "--registry-dir=/var/empty"
    plan = ["--memory", "2048", "--cores", "2", "--instance-memory", "150"]
    assert_includes succeed(CONFIG, "sizing", *plan, empty), "\nPassengerMaxPoolSize 8\n"
    assert_fails 1, /no agent of mod_passenger is running/, CONFIG, "sizing", empty
  end

  def test_wrong_numbers_are_named
    assert_fails 1, /--cores none is not a number of cores: write 1 to/, CONFIG, "sizing",
                 "--cores", "none"
    assert_fails 1, /--memory 0 is not a number of MB/, CONFIG, "sizing", "--memory", "0"
  end

  def test_a_user_who_may_not_measure_is_told_what_helps
    # The applications' owner, who may not measure httpd.
    [TestEnvironment::WEB_USER, MadeUsers["stranger"].name].each do |user|
      assert_fails 1, /may not measure .* sudo/, CONFIG, "sizing", as: user
    end
  end
end
