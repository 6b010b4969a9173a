# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# Start, end and replacement of applications that speak HTTP.
class HttpAppsLifeTest < IntegrationTest
  COMMAND = "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\nPassengerMaxInstances 1\n"

  # Seconds, far less than PassengerStartTimeout's default.
  LONG = 45

  serve do |made|
    made.set("PassengerMaxPoolSize", 10)
    made.site("http.test", SampleApps.copy("http_app"), COMMAND)
    made.site("deployed.test", SampleApps.copy("http_app"), COMMAND)
    made.site("worn.test", SampleApps.copy("http_app"), "#{COMMAND}PassengerMaxRequests 3\n")
    made.site("hog.test", SampleApps.copy("http_app"), "#{COMMAND}PassengerMemoryLimit 100\n")
    made.site("silent.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"sleep 4711\"\nPassengerStartTimeout 2\n")
    made.site("ending.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"echo no configuration >&2; exit 7\"\n")
    made.site("shortlived.test", shortlived,
              "PassengerAppStartCommand \"#{RbConfig.ruby} shortlived.rb\"\n")
    made.site("robbed.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"echo $PORT > new; mv new port; exec sleep 4713\"\n")
    made.site("late.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb; sleep 1\"\n")
    again = "while true; do echo $PORT > port; #{RbConfig.ruby} server.rb; sleep 2; done"
    made.site("again.test", SampleApps.copy("http_app"), "PassengerAppStartCommand \"#{again}\"\n")
    made.site("grandchildren.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"setsid sleep 4712 & #{RbConfig.ruby} server.rb; true\"\n")
  end

  # Ends a second after Ruby has started, which may take long.
  def self.shortlived
    SampleApps.copy("http_app").tap do |folder|
      File.write(File.join(folder, "shortlived.rb"),
                 "Thread.new { sleep 1; Process.kill(:KILL, Process.pid) }\nload './server.rb'\n")
    end
  end

  def setup
    @position = server.log.position
  end

  def test_a_command_that_never_listens_is_an_error_that_names_the_port_and_the_remedy
    # On a machine that stalls, the agent's limit may come before the one of the bridge, which knows
    # what has happened.
    eventually("the bridge's message") do
      assert_operator seconds { assert_status 500, client("silent.test").get("/") }, :<, LONG
      server.log.text(@position).each_line.any? do |line|
        line.include?("event=spawn.failed app=\"#{root('silent.test')}") &&
          line.match?(/sleep 4711.*nothing listens on 127\.0\.0\.1 port \d+ \(PORT\) after /) &&
          line.include?(" after PassengerStartTimeout, 2 seconds")
      end
    end
    server.log.wait_for(/serve HTTP on the port in the environment variable PORT/,
                        from: @position)
    eventually("the command has ended") { processes(/\Asleep 4711\z/).empty? }
  end

  def test_a_command_that_ends_at_once_is_reported_with_its_status_and_output
    assert_operator seconds { assert_status 500, client("ending.test").get("/") }, :<, LONG
    server.log.wait_for(/exited with status 7 before it listened/, from: @position)
    server.log.wait_for(/no configuration/, from: @position)
  end

  def test_an_application_that_dies_after_a_second_is_started_again_after_pauses
    started = -> {
      server.log.count(/event=instance\.started app="#{root('shortlived.test')}/, @position)
    }
    answers = nil
    took = seconds do
      answers = SteadyLoad.during(client("shortlived.test"), threads: 1) do |load|
        sleep 8
        eventually("three lives, and an answer") do
          started.call >= 3 && load.answers.any? { |answer| answer.code == 200 }
        end
      end
    end
    assert_empty answers.map(&:code).uniq - [200, 500, 502]
    assert_operator started.call, :<=, took + 1, "each lives for a second"
    server.log.wait_for(/event=application\.ended.*status="/, from: @position)
  end

  def test_a_port_on_which_another_users_process_listens_is_not_taken_for_the_applications
    needs_root("the test listens on the port, as root")
    answer = Thread.new { client("robbed.test").get("/") }
    told = File.join(root("robbed.test"), "port")
    eventually("the application knows its port") { File.exist?(told) }
    TCPServer.open("127.0.0.1", Integer(File.read(told))) do |robber|
      assert_status 500, answer.value
      robbed = /127\.0\.0\.1 port #{robber.addr[1]} is taken by a process of another user \(uid 0\)/
      server.log.wait_for(robbed, from: @position)
    end
    eventually("the command has ended") { processes(/\Asleep 4713\z/).empty? }
  end

  def test_the_application_of_a_killed_bridge_ends_and_both_are_replaced
    app = client.pid
    Process.kill(:KILL, bridge_of(app))
    refute_equal app, client.pid
    eventually("the application has ended") { !ProcessInfo.read(app)&.alive? }
  end

  def test_an_application_that_is_killed_is_replaced_and_a_get_is_sent_again
    2.times do |number|
      app = client.pid
      held = File.join(scratch, "held#{number}")
      hanging = Thread.new { client.get("/hold?#{held}") }
      eventually("it has begun") { File.exist?(held) }
      Process.kill(:KILL, app)
      assert_equal "held before", hanging.value.body
      refute_equal app, client.pid
    end
  end

  # Its shell, which the bridge watches, lives for another second.
  def test_a_get_that_a_killed_application_refuses_goes_to_its_successor
    app = client("late.test").pid
    Process.kill(:KILL, app)
    assert_status 200, client("late.test").get("/")
    refute_equal app, client("late.test").pid
  end

  # The kernel breaks the connection off a second before the bridge's program ends.
  def test_a_get_whose_application_is_killed_goes_to_its_successor
    app = client("late.test").pid
    held = File.join(scratch, "held")
    hanging = Thread.new { client("late.test").get("/hold?#{held}") }
    eventually("it has begun") { File.exist?(held) }
    Process.kill(:KILL, app)
    assert_equal "held before", assert_status(200, hanging.value).body
    refute_equal app, client("late.test").pid
  end

  # Its shell starts it again after two seconds.
  def test_a_request_whose_client_leaves_while_the_application_refuses_is_not_begun
    held = []
    in_one_of(3) do
      kill_again
      held << File.join(scratch, "held#{held.size}")
      raw = server.raw("again.test").request("POST", "/hold?#{held.last}", "Content-Length" => "0")
      sleep 0.3
      raw.abort
      eventually("the application") { client("again.test").get("/").code == "200" }
    end
    held.each { |file| refute_path_exists file }
  end

  def test_a_request_does_not_go_to_another_user_s_process_that_takes_the_port
    skip "needs root" unless TestEnvironment.root?
    bytes = []
    in_one_of(3) do
      kill_again
      answer = Thread.new { client("again.test").post("/", "secret") }
      sleep 0.3 # a connection was refused
      bytes << first_byte_at(Integer(File.read(File.join(root("again.test"), "port"))))
      # The application may have come back in time.
      assert_includes %w[200 502], answer.value.code
    end
    assert_empty bytes.compact
  end

  # The one that listens there before any request has met the refusal.
  def test_no_request_goes_to_another_user_s_process_that_has_taken_the_port_already
    skip "needs root" unless TestEnvironment.root?
    bytes = []
    in_one_of(3) do
      kill_again
      answer = nil
      bytes << first_byte_at(Integer(File.read(File.join(root("again.test"), "port")))) do
        answer = Thread.new { client("again.test").post("/", "secret") }
      end
      assert_includes %w[200 502], answer.value.code
    end
    assert_empty bytes.compact
  end

  def test_a_post_whose_application_is_killed_is_a_502
    app = client.pid
    held = File.join(scratch, "held")
    hanging = Thread.new { client.post("/hold?#{held}", "x") }
    eventually("it has begun") { File.exist?(held) }
    Process.kill(:KILL, app)
    assert_status 502, hanging.value
  end

  def test_a_restart_serves_the_new_version_and_fails_no_request
    site = client("deployed.test")
    old = site.pid
    answers = SteadyLoad.during(site) do
      FileUtils.touch(File.join(root("deployed.test"), "tmp/restart.txt"))
      eventually("another process") { site.pid != old }
      sleep 0.5
    end
    assert_equal [200], answers.map(&:code).uniq
    eventually("the old one has ended") { !ProcessInfo.read(old)&.alive? }
  end

  def test_an_instance_that_has_answered_enough_is_replaced
    first = client("worn.test").pid
    eventually("another process") { client("worn.test").pid != first }
  end

  def test_the_memory_limit_counts_the_applications_processes
    app = client("hog.test").pid
    2.times { assert_equal "hogged", client("hog.test").get("/hog").body }
    eventually("another process", within: 120) { client("hog.test").pid != app }
  end

  def test_processes_that_the_application_has_started_end_with_it
    app = client("grandchildren.test").pid
    child = eventually("its child") { processes(/\Asleep 4712\z/).first }
    Process.kill(:KILL, bridge_of(app))
    eventually("nothing is left of it") { !ProcessInfo.read(app)&.alive? && !child.alive? }
  end

  private

  # What comes first on a connection to a listener of this test; nil: the connection ends. The block
  # is called when it listens.
  def first_byte_at(port)
    TCPServer.open("127.0.0.1", port) do |robber|
      yield if block_given?
      robber.wait_readable(10) && robber.accept.read(1)
    end
  end

  # The application that its shell starts again after two seconds.
  def kill_again
    app = client("again.test").pid
    Process.kill(:KILL, app)
    eventually("its end") { !ProcessInfo.read(app)&.alive? }
  end

  def root(name)
    server.configuration.sites.find { |one| one.name == name }.root
  end

  def processes(pattern)
    server.tree.matching(pattern).select(&:alive?)
  end

  # The parent of the application may be a shell; above it are the keeper and the bridge.
  def bridge_of(app)
    pid = app
    pid = parent(pid) until ProcessInfo.read(pid).command_line.start_with?("Passenger bridge: ")
    pid
  end

  def parent(pid)
    Integer(File.read("/proc/#{pid}/status")[/^PPid:\s+(\d+)/, 1])
  end
end
