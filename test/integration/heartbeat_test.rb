# frozen_string_literal: true

require_relative "support/integration_test"

# PassengerHeartbeatTimeout: instances in which no Ruby code runs any more.
class HeartbeatTest < IntegrationTest
  LIMIT = 3
  WITHIN = (LIMIT * 1.5) + 1

  APP = <<~RUBY
    require "fiddle"

    # Keeps Ruby's lock while it sleeps, like native code that hangs.
    SLEEP = Fiddle::Function.new(Fiddle::Handle::DEFAULT["sleep"], [Fiddle::TYPE_INT],
                                 Fiddle::TYPE_INT, need_gvl: true)

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def compute(seconds)
      ends = now + seconds
      nil while now < ends
    end

    run(lambda do |env|
      page, argument = env["PATH_INFO"].split("/").drop(1)
      file = env["QUERY_STRING"].to_s
      File.write(file, "\#{Process.pid}\\n", mode: "a") unless file.empty?
      case page
      when "keep_lock" then SLEEP.call(600)
      when "compute" then compute(argument.to_f)
      when "sleep" then sleep(argument.to_f)
      end
      [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    end)
  RUBY

  serve do |made|
    # A test stops the pool process for longer than the default.
    made.set("PassengerAgentTimeout", 0)
    limit = "PassengerMaxInstances 1\nPassengerHeartbeatTimeout #{LIMIT}\n"
    made.site("rack.test", SampleApps.written(APP), limit)
    made.site("direct.test", SampleApps.written(APP), "#{limit}PassengerSpawnMethod direct\n")
    made.site("threads.test", SampleApps.written(APP), "#{limit}PassengerThreadCount 4\n")
    made.site("unwatched.test", SampleApps.written(APP), "PassengerMaxInstances 1\n")
    made.site("http.test", SampleApps.copy("http_app"),
              "#{limit}PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb\"\n")
  end

  %w[rack.test direct.test threads.test].each do |site|
    define_method("test_a_#{site[/\w+/]}_instance_that_keeps_rubys_lock_is_replaced") do
      seen = File.join(scratch, "seen")
      pids = []
      assert_replaced(-> { client(site).pid }) do |pid|
        assert_status(502, client(site).get("/keep_lock?#{seen}"))
        refute_equal pid, client(site).pid
        pids << "#{pid}\n"
      end
      assert_equal pids, File.readlines(seen)
    end
  end

  def test_a_stopped_instance_with_a_request_is_killed_and_replaced
    seen = File.join(scratch, "seen")
    assert_replaced(-> { client.pid }) do |pid|
      busy = Thread.new { client.get("/sleep/60?#{seen}") }
      eventually("it has its request") { File.exist?(seen) && File.read(seen).include?("#{pid}\n") }
      ProcessInfo.stop(pid)
      assert_status(502, busy.value)
      refute_equal pid, client.pid
    end
  end

  def test_a_stopped_idle_instance_is_killed_and_requests_meanwhile_are_answered
    assert_replaced(-> { client.pid }) do |pid|
      ProcessInfo.stop(pid)
      refute_equal pid, client.pid
    end
  end

  def test_a_stopped_instance_without_any_requests_is_replaced_too
    assert_replaced(-> { client.pid }) do |pid|
      position = server.log.position
      ProcessInfo.stop(pid)
      server.log.wait_for(/event=instance\.started/, from: position)
    end
  end

  def test_an_instance_with_a_long_request_is_not_killed
    pid = client.pid
    %w[compute sleep].each do |page|
      assert_equal pid.to_s, client.get("/#{page}/#{LIMIT * 2}").body
    end
    pid = client("threads.test").pid
    answers = Array.new(4) { Thread.new { client("threads.test").get("/compute/#{LIMIT * 1.5}") } }
      .map(&:value)
    assert_equal [pid.to_s], answers.map(&:body).uniq
  end

  def test_there_is_no_limit_by_default
    pid = client("unwatched.test").pid
    ProcessInfo.stop(pid)
    sleep WITHIN + 1
    assert ProcessInfo.read(pid).alive?
    Process.kill(:CONT, pid)
    assert_equal pid, client("unwatched.test").pid
  end

  def test_an_agent_that_was_stopped_itself_kills_no_instance
    pid = client.pid
    agent = server.tree.matching(/passenger-agent pool/).first.pid
    ProcessInfo.stop(agent)
    sleep LIMIT * 2
    Process.kill(:CONT, agent)
    sleep WITHIN
    assert_equal pid, client.pid
    refute_match(/heartbeat_lost/, server.log.text(@position))
  ensure
    Process.kill(:CONT, agent) if agent
  end

  def test_a_bridge_that_was_stopped_is_replaced_with_its_application
    app = client("http.test").pid
    sleep WITHIN
    assert_equal app, client("http.test").pid
    assert_replaced(-> { parent(parent(app = client("http.test").pid)) }) do |bridge|
      ProcessInfo.stop(bridge)
      refute_equal app, client("http.test").pid
    end
    eventually("the application has ended") { !ProcessInfo.read(app)&.alive? }
  end

  def setup
    @position = server.log.position
  end

  private

  # The process ends in time, and so does the block, which ends when there is another process. The
  # pool notices after LIMIT, so half of the time is left for a loaded machine. `find` returns the
  # pid; the block gets it.
  def assert_replaced(find)
    assert_seconds_below(WITHIN, "to replace it") do
      pid = find.call
      took = seconds do
        yield pid
        eventually("the end of #{pid}") { !ProcessInfo.read(pid)&.alive? }
      end
      server.log.wait_for(/event=instance\.heartbeat_lost .*pid=#{pid} .*limit=#{LIMIT}s/,
                          from: @position)
      took
    end
  end

  def parent(pid)
    ProcessInfo.read(pid).ppid
  end
end
