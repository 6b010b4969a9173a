# frozen_string_literal: true

require_relative "support/integration_test"

# However httpd ends, nothing is left: `with_server` looks for processes, shared memory and files
# after each test.
class StopTest < IntegrationTest
  # Ignores all signals that can be ignored, and is busy.
  STUBBORN = <<~RUBY
    %w[TERM INT HUP USR1 USR2 QUIT].each { |name| trap(name, "IGNORE") rescue ArgumentError }
    run proc { |env|
      sleep if env["PATH_INFO"] == "/forever"
      [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    }
  RUBY

  NODE = system("node --version >/dev/null 2>&1")
  # Needs more time than any other part of the agent's end.
  SLOW_TO_END = <<~'JS'
    process.on("SIGTERM", () => setTimeout(() => {
        require("fs").writeFileSync("ended", "");
        process.exit(0);
    }, 12000));
    require("http").createServer((request, response) => response.end("slow to end")).listen(80);
  JS

  def teardown
    @endless&.each(&:close)
  end

  def test_an_orderly_stop_leaves_nothing
    with_server(configuration) do |server|
      server.client.pid
      refute_empty server.tree.beside_httpd
    end
  end

  def test_a_stop_without_any_request_leaves_nothing
    with_server(configuration) { |server| refute_empty server.tree.beside_httpd }
  end

  def test_a_graceful_stop_leaves_nothing
    with_server(configuration) do |server|
      server.client.pid
      assert_nothing_left server.stop(signal: :WINCH)
    end
  end

  def test_a_stop_in_the_middle_of_a_request_leaves_nothing
    with_server(configuration) do |server|
      begin_endless(server, "/wait?fifo=#{fifo}&started=#{scratch}/started") do
        File.exist?("#{scratch}/started")
      end
      assert_nothing_left server.stop
    end
  end

  def test_a_stop_in_the_middle_of_an_upload_leaves_nothing
    with_server(configuration) do |server|
      server.client.pid
      raw = server.raw.request("POST", "/upload",
                               { "Content-Length" => "10000000" }).write("x" * 100_000)
      assert_nothing_left server.stop
      raw.close
    end
  end

  def test_a_stop_while_an_application_boots_leaves_nothing
    slow = SampleApps.written("warn 'booting'\nsleep\n")
    with_server(configuration { |made| made.site("slow.test", slow) }) do |server|
      begin_endless(server, "/") { server.log.text.include?("booting") }
      assert_nothing_left server.stop
    end
  end

  def test_an_application_that_ignores_signals_ends
    with_server(configuration { |made| made.site("stubborn.test",
                                                 SampleApps.written(STUBBORN)) }) do |server|
      server.client.pid("/")
      begin_endless(server, "/forever")
      assert_nothing_left server.stop
    end
  end

  def test_an_application_has_its_stop_timeout_at_httpds_stop
    skip "there is no node" unless NODE
    folder = SampleApps.written(SLOW_TO_END, "app.js")
    TestEnvironment.hand_over(folder)
    with_server(configuration { |made| made.site("slow.test", folder,
                                                 "PassengerStopTimeout 10min\n") }) do |server|
      assert_equal "slow to end", server.client.get("/").body
      assert_nothing_left server.stop
      assert_path_exists File.join(folder, "ended")
      refute_match(/event=pool\.killed/, server.log.text)
    end
  end

  def test_everything_ends_when_httpds_parent_is_killed
    with_server(configuration) do |server|
      server.client.pid
      assert_nothing_left server.kill
    end
  end

  def test_everything_ends_when_httpds_parent_is_killed_and_the_watchdog_stands_still
    with_server(configuration) do |server|
      server.client.pid
      Process.kill(:STOP, server.tree.matching(/passenger-agent\S* watchdog/).first.pid)
      assert_nothing_left server.kill
    end
  end

  def test_everything_ends_when_httpds_parent_is_killed_in_the_middle_of_a_request
    with_server(configuration) do |server|
      begin_endless(server, "/wait?fifo=#{fifo}&started=#{scratch}/started") do
        File.exist?("#{scratch}/started")
      end
      assert_nothing_left server.kill
    end
  end

  def test_a_stubborn_application_ends_when_httpds_parent_is_killed
    with_server(configuration { |made| made.site("stubborn.test",
                                                 SampleApps.written(STUBBORN)) }) do |server|
      server.client.pid("/")
      begin_endless(server, "/forever")
      assert_nothing_left server.kill
    end
  end

  def test_a_daemon_is_reloaded_and_stopped_as_apachectl_does
    @own_server = HttpdServer.new(configuration).start(daemon: true)
    pid = @own_server.client.pid
    generations = @own_server.log.count(HttpdServer::READY)
    assert @own_server.run("-k", "graceful").success?
    eventually("the reload") { @own_server.log.count(HttpdServer::READY) > generations }
    assert_equal pid, @own_server.client.pid
    assert_nothing_left @own_server.stop(signal: %w[-k stop])
  end

  def test_a_configuration_check_starts_nothing
    server = @own_server = HttpdServer.new(configuration)
    output, status = server.check_configuration
    assert status.success?, output
    assert_empty ProcessInfo.all.select { |process| process.environment.include?(marker(server)) }
  end

  def test_an_httpd_that_cannot_start_leaves_no_agent
    with_server(configuration) do |server|
      other = configuration
      other.main_directives << "Listen 127.0.0.1:#{server.port}\n"
      second = HttpdServer.new(other)
      second.write_configuration
      refute second.run("-DFOREGROUND").success?
      eventually("no agent") do
        ProcessInfo.all.none? { |process| process.environment.include?(marker(second)) }
      end
    ensure
      second&.destroy
    end
  end

  private

  # Sends a request that is never answered; the block returns true once it has begun.
  def begin_endless(server, path)
    (@endless ||= []) << server.raw.request("GET", path)
    eventually("the request has begun") { yield } if block_given?
  end

  def marker(server)
    "PASSENGER_TEST_ID=#{server.environment['PASSENGER_TEST_ID']}"
  end
end
