# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/integration_test"

# Orders on the agent's named socket: what it tells, what it does, and who may order what.
class ControlTest < IntegrationTest
  def setup
    @folder = File.join(SampleApps.new_folder(Dir.tmpdir), "registry")
  end

  def test_the_status_tells_requests_instances_and_times
    with_server(registered) do |server|
      3.times { assert_status 200, server.client.get("/") }
      app = nil
      eventually("the three answers") { (app = only_app).dig("counters", "requests") == 3 }
      pid = server.client.pid
      assert_equal ["serving", [pid]], [app["state"], app["instances"].map { |one| one["pid"] }]
      assert_equal 3, app.dig("service_time", "counts").sum
      assert_operator app.dig("service_time", "counts").last, :>, 0, "no empty buckets at the end"
      assert_operator app.dig("service_time", "sum"), :>, 0
      assert_equal 3, app["windows"].first["requests"]
      eventually("the memory") { only_app["instances"].first["memory"] > 1_000_000 }
      instance = only_app["instances"].first
      assert_includes 500_000..instance["memory"], instance["private_memory"]
      assert_operator app["last_spawn_time"], :>, 0
      assert_in_delta Time.now.to_f, app["last_used"], 600
      assert_nil app["last_restart"]
      assert_empty app["events"]
      whole = client.status(app["name"])["apps"].first
      assert_includes whole["events"].map { |event| event["name"] }, "instance.started"
      assert_equal TestEnvironment.web_user, app["user"] if TestEnvironment.root?
    end
  end

  def test_a_request_in_work_is_told_with_its_age
    with_server(registered) do |server|
      path = fifo
      answer = Thread.new { server.client.get("/wait?fifo=#{path}") }
      eventually("the request in work") do
        instance = client.status["apps"].flat_map { |app| app["instances"] }.first
        instance && instance["sessions"] == 1 && instance["busy_for"] > 0.5
      end
      release(path)
      assert_status 200, answer.value
    end
  end

  def test_a_failed_start_is_told_with_its_report_and_remedy
    broken = registered { |made| made.site("bad.test", SampleApps.copy("boot_failures/raises")) }
    with_server(broken) do |server|
      assert_status 500, server.client("bad.test").get("/")
      failure = client.status["apps"].find { |app| app["failure"] }["failure"]
      report = client.order("report", failure.fetch("report"))
      assert_equal failure.values_at("report", "summary"), report.fields.first(2)
      refused("report", "0000") { |text| assert_match(/no report 0000/, text) }
    end
  end

  def test_an_order_restarts_an_application
    with_server(registered) do |server|
      first = server.client.pid
      client.order("restart", only_app["name"])
      eventually("another instance") { server.client.pid != first }
      assert_equal "it was ordered", only_app["last_restart"]["reason"]
    end
  end

  def test_an_order_detaches_an_instance
    with_server(registered) do |server|
      first = server.client.pid
      client.order("detach", first.to_s)
      eventually("another instance") { server.client.pid != first }
      refused("detach", "1") { |text| assert_match(/process 1 is no instance/, text) }
    end
  end

  def test_a_drained_application_serves_and_says_so
    with_server(registered) do |server|
      assert_status 200, server.client.get("/")
      client.order("drain", only_app["name"], "1")
      assert only_app["draining"]
      assert_status 200, server.client.get("/")
      # The order about the server does not touch it.
      client.order("drain", "", "1")
      client.order("drain", "", "0")
      assert only_app["draining"]
      client.order("drain", only_app["name"], "0")
      refute only_app["draining"]
    end
  end

  def test_draining_outlives_a_crash_of_the_pool_process_and_holds_for_an_unknown_application
    with_server(registered) do |server|
      assert_status 200, server.client.get("/")
      name = only_app["name"]
      client.order("drain", name, "1")
      replace_pool_process
      told = client.status(name)["apps"].map { |app| app.values_at("state", "draining") }
      assert_equal [["down", true]], told
      # Commands, which find an application in the status of all, can order about it.
      assert_equal [[name[/\A\S+/], "down", true]],
                   (client.status["apps"].map { |app| app.values_at("root", "state", "draining") })
      assert_status 200, server.client.get("/")
      eventually("the application") { only_app["state"] == "serving" }
      assert only_app["draining"]
    end
  end

  # The instances wait for their application, which the next pool process does not know yet.
  def test_an_order_restarts_an_application_that_a_pool_process_has_left
    with_server(registered) do |server|
      first = server.client.pid
      name = only_app["name"]
      replace_pool_process
      client.order("restart", name)
      # The instance serves until the new version does.
      eventually("another instance") { server.client.pid != first }
    end
  end

  def test_unknown_orders_and_names_are_refused_and_the_connection_stays
    with_server(registered) do |server|
      assert_status 200, server.client.get("/")
      asker = client
      [%w[explode], ["restart", "none"], ["restart"], ["detach", "x"], []].each do |order|
        assert_raises(ControlClient::Refused) { asker.order(*order) }
      end
      assert_equal 1, asker.status["apps"].size
    end
  end

  def test_an_applications_user_sees_and_steers_that_application_only
    needs_root("to be somebody else")
    broken = registered do |made|
      made.site("rack.test", SampleApps.rack)
      made.site("bad.test", SampleApps.copy("boot_failures/raises"))
    end
    with_server(broken) do |server|
      assert_status 500, server.client("bad.test").get("/")
      assert_status 200, server.client("rack.test").get("/")
      name = eventually("the user") { owned_app&.fetch("name") }
      failure = client.status["apps"].find { |app| app["failure"] }["failure"]
      first = server.client("rack.test").pid
      orders = steering(name, failure.fetch("report"))
      assert_refused orders, as(TestEnvironment::OTHER_USER, orders)
      assert_equal 0, client.status(name)["apps"].first.dig("queue", "paused_for")
      assert_equal first, server.client("rack.test").pid

      own = as(TestEnvironment::WEB_USER, orders)
      assert_includes own.first, name
      assert_equal [[name], *["done"] * (orders.size - 1)], own.last
      eventually("another instance") { server.client("rack.test").pid != first }
    end
  end

  def test_an_asker_that_reads_nothing_stops_no_other_asker
    with_server(registered) do |server|
      assert_status 200, server.client.get("/")
      stuck = Array.new(3) { UNIXSocket.new(path) }
      stuck.each do |one|
        order = PhusionPassenger::Frame.new(ControlClient::ORDER, ["status", ""], []).encode
        # More than the socket takes: the agent does not read on.
        loop { one.write_nonblock(order) }
      rescue SystemCallError, IO::WaitWritable
        nil
      end
      assert_equal 1, client.status["apps"].size
    ensure
      stuck&.each(&:close)
    end
  end

  private

  def registered
    configuration do |made|
      made.set("PassengerInstanceRegistryDir", @folder)
      yield made if block_given?
    end
  end

  def replace_pool_process
    old = properties["pool_pid"]
    Process.kill(:KILL, old)
    eventually("the next pool process") { properties["pool_pid"] != old }
  end

  def path
    properties["control"]
  end

  def properties
    eventually("the agent's folder") do
      file = Dir.glob("#{@folder}/passenger.*/properties.json").last
      file && JSON.parse(File.read(file))
    rescue Errno::ENOENT, JSON::ParserError
      nil
    end
  end

  def client
    ControlClient.new(path)
  end

  def only_app
    apps = client.status["apps"]
    assert_equal 1, apps.size
    apps.first
  end

  def refused(*order)
    yield assert_raises(ControlClient::Refused) { client.order(*order) }.message
  end

  # The application that serves, once it is known as whose.
  def owned_app
    client.status["apps"].find { |app| app["uid"].positive? && app["state"] == "serving" }
  end

  # All orders about one application; the first tells its status.
  def steering(name, report)
    [["status", name], ["threads", name, "1"], ["threads", name, "0"], ["report", report],
     ["pause", name, "60"], ["resume", name], ["drain", name, "1"], ["drain", name, "0"],
     ["restart", name]]
  end

  # `told` as of `as`: no application, and each order ended as for a name that there is not.
  def assert_refused(orders, told)
    names, (status, *outcomes) = told
    assert_equal [[], []], [names, status]
    orders.drop(1).zip(outcomes).each do |order, outcome|
      expected = /\Arefused: (no application "|there is no report )#{Regexp.escape(order[1])}/
      assert_match expected, outcome, order.first
    end
  end

  # The applications that this user sees, and how each order ends; an answer to status is told by
  # the names of its applications.
  def as(user, orders)
    File.chmod(0o755, File.dirname(@folder))
    program = <<~RUBY
      require "#{File.join(__dir__, 'support/control_client')}"
      client = ControlClient.new(ARGV[0])
      names = ->(name) { client.status(name)["apps"].map { |app| app["name"] } }
      outcomes = JSON.parse(ARGV[1]).map do |order|
        next names.call(order[1]) if order.first == "status"
        client.order(*order)
        "done"
      rescue ControlClient::Refused => error
        "refused: " + error.message
      end
      print JSON.generate([names.call(""), outcomes])
    RUBY
    command = ["setpriv", "--reuid=#{user}", "--clear-groups", RbConfig.ruby, "-e", program]
    JSON.parse(IO.popen([*command, path, JSON.generate(orders)], &:read))
  end
end
