# frozen_string_literal: true

require_relative "support/prefork_test_case"

# passenger-prefork: any free worker answers the requests of a kept connection.
class PreforkSharingTest < PreforkTestCase
  # As HOLDING, but it computes, and checks only twice a second whether it may end.
  SPINNER = <<~APP
    run lambda { |env|
      File.write(File.join(__dir__, "held"), "") if env["PATH_INFO"] == "/held"
      until env["PATH_INFO"] != "/held" || File.exist?(File.join(__dir__, "go_on"))
        look = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 0.5
        nil while Process.clock_gettime(Process::CLOCK_MONOTONIC) < look
      end
      [200, {}, [Process.pid.to_s]]
    }
  APP

  def teardown
    @clients&.each(&:close)
    super
  end

  # Kept connections of one worker.
  def kept(made, count)
    @clients = []
    of_worker = Hash.new { |all, pid| all[pid] = [] }
    until of_worker.any? { |_, clients| clients.size == count }
      @clients << (client = made.raw)
      of_worker[client.get("/").body] << client
    end
    of_worker.max_by { |_, clients| clients.size }
  end

  def descriptors(pid)
    Dir.children("/proc/#{pid}/fd").size
  end

  def assert_answered_by_another(made)
    worker, (slow, *others) = kept(made, 4)
    occupy(made, slow)
    others.each { |client| client.request("GET", "/") }
    others.each { |client| refute_equal worker, client.response.body }
    refute slow.arrived?(0), "the others had to wait"
    made.go_on
    assert_equal worker, slow.response.body
  end

  # What comes before the application has this request may be answered by the same worker. The
  # status counts a request for a moment longer than its client waits for the answer.
  def occupy(made, client)
    client.request("GET", "/held")
    eventually("a request in the application") { made.held? }
  end

  def test_a_long_request_holds_up_no_other_connection_of_its_worker
    assert_answered_by_another(command(*fixed(2), app: PreforkCommand::HOLDING))
  end

  def test_a_request_that_only_computes_holds_up_no_other_connection_of_its_worker
    assert_answered_by_another(command(*fixed(2), app: SPINNER))
  end

  def test_busy_connections_that_all_came_to_one_worker_are_spread_over_all
    made = command(*fixed(4))
    sole, *others = made.workers
    before = descriptors(sole)
    others.each { |pid| ProcessInfo.stop(pid) }
    @clients = Array.new(24) { made.raw.tap { |client| client.get("/") } }
    assert_equal before + 24, descriptors(sole)
    others.each { |pid| Process.kill(:CONT, pid) }
    eventually("a fair share for each", within: 60) do
      @clients.each { |client| client.request("GET", "/?0.002") }
      @clients.each { |client| assert_equal 200, client.response.status }
      descriptors(sole) <= before + 9
    end
  end

  def test_queued_connections_outlive_a_worker_that_is_killed
    made = command(*fixed(1), app: PreforkCommand::HOLDING)
    worker, (slow, *others) = kept(made, 4)
    before = descriptors(worker)
    occupy(made, slow)
    others.each { |client| client.request("GET", "/") }
    eventually("three connections in the queue") { descriptors(worker) == before - 3 }
    Process.kill(:KILL, worker.to_i)
    others.each { |client| refute_equal worker, client.response.body }
    assert slow.ended?
  end

  def test_an_idle_connection_outlives_a_restart
    made = command(*fixed(2))
    worker, (client,) = kept(made, 1)
    made.signal(:HUP)
    made.wait_for_log(/event=prefork\.restarted/)
    eventually("the end of the old workers") { made.status["ending"].zero? }
    refute_equal worker, client.get("/").body
  end

  def test_queued_requests_are_answered_before_the_monitor_ends
    made = command(*fixed(2), app: PreforkCommand::HOLDING)
    _, clients = kept(made, 5)
    clients.each { |client| client.request("GET", "/held") }
    eventually("all workers at work") { made.status["busy"] == 2 }
    made.signal(:TERM)
    made.wait_for_log(/event=prefork\.ending/)
    made.go_on
    clients.each { |client| assert_equal 200, client.response.status }
    assert_equal 0, made.wait
  end
end
