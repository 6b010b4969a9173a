# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/integration_test"

# Ends httpd's children in each way, while requests are in work and in the queue.
class EndingChildrenTest < IntegrationTest
  # Seconds. httpd kills children that have not ended after about ten seconds.
  AT_ONCE = 7

  def test_a_graceful_reload_lets_waiting_requests_be_answered
    with_server(one_instance) do |server|
      busy, waiting = occupy(server)
      server.graceful
      release(@fifo)
      assert_equal %w[200 200 200], [busy, *waiting].map { |request| request.value.code }
      assert_equal 3, runs
    end
  end

  def test_a_graceful_stop_lets_waiting_requests_be_answered
    made = one_instance.tap { |one| one.main_directives << "GracefulShutdownTimeout 60\n" }
    with_server(made) do |server|
      busy, waiting = occupy(server)
      stopping = Thread.new { server.stop(signal: :WINCH) }
      eventually("it has begun to stop") do
        server.log.text.match?(/AH0049[1-9]|shutting down gracefully/)
      end
      release(@fifo)
      assert_equal %w[200 200 200], [busy, *waiting].map { |request| request.value.code }
      assert_nothing_left stopping.value
    end
  end

  def test_a_graceful_end_waits_no_longer_than_the_queues_limit
    # On a busy machine some seconds pass until the requests are seen to wait.
    with_server(one_instance("PassengerMaxRequestQueueTime 5\n")) do |server|
      busy, waiting = occupy(server)
      server.graceful
      assert_equal %w[504 504], waiting.map { |request| request.value.code }
      release(@fifo)
      assert_equal "200", busy.value.code
      assert_equal 1, runs
    end
  end

  def test_a_hard_restart_cuts_waiting_requests_off_at_once_and_none_of_them_runs
    assert_seconds_below(AT_ONCE, "the children's end") do
      took = nil
      with_server(one_instance) do |server|
        requests = occupy(server).flatten
        children = server.tree.httpd_children
        took = seconds do
          server.restart
          eventually("the old children have ended", every: 0.05) { children.none?(&:alive?) }
        end
        release(@fifo)
        eventually("the application answers") { server.client.get("/hello").code == "200" }
        assert_equal 1, runs, "what waited was withdrawn"
        requests.each { |request| assert_nil request.value }
      end
      took
    end
  end

  def test_a_stop_does_not_wait_for_requests
    # The busy instance has three seconds.
    assert_seconds_below(AT_ONCE + 3, "the stop") do
      took = nil
      with_server(one_instance) do |server|
        requests = occupy(server).flatten
        took = seconds { assert_nothing_left server.stop }
        requests.each { |request| assert_nil request.value }
      end
      took
    end
  end

  private

  def one_instance(more = "")
    configuration do |one|
      one.site("rack.test", SampleApps.rack, "PassengerMaxInstances 1\n#{more}")
    end
  end

  # Sends a request that keeps the only instance until the FIFO is released, and two that wait in
  # the queue. Returns threads whose value is the response, or nil if the connection was cut.
  def occupy(server)
    @fifo = fifo("fifo-#{server.port}")
    @started = "#{@fifo}.started"
    # A start may take longer than the queue's limit.
    eventually("the application has started") { server.client.pid }
    busy = ask(server, "/wait?fifo=#{@fifo}&started=#{@started}")
    eventually("the instance is busy") { runs == 1 }
    waiting = Array.new(2) { ask(server, "/slow?seconds=0&started=#{@started}") }
    eventually("two wait") { waiting_in(server) == 2 || waiting.none?(&:alive?) }
    [busy, waiting]
  end

  def ask(server, path)
    Thread.new do
      server.client.get(path)
    rescue SystemCallError, IOError
      nil
    end
  end

  def waiting_in(server)
    ControlClient.in(File.join(server.folder, "run")).status["apps"].first["queue"]["waiting"]
  end

  def runs
    File.exist?(@started) ? File.readlines(@started).size : 0
  end
end
