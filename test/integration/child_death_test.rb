# frozen_string_literal: true

require_relative "support/integration_test"

# Kills an httpd child that has requests in work and requests in the queue.
class ChildDeathTest < IntegrationTest
  WAITING = 10

  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    # One child has all clients.
    made.mpm_settings = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 32\n" \
                        "ThreadsPerChild 32\nMaxRequestWorkers 32\nMaxConnectionsPerChild 0"
    made.site("rack.test", SampleApps.rack)
  end

  def setup
    skip "a child of prefork has one request" if ENV["TEST_MPM"] == "prefork"
    @asked = []
    begin_again
    @pool = server.tree.matching(/passenger-agent\S* pool/).first
  end

  def teardown
    @asked.each(&:close)
  end

  # Until then the instance may take a request; its answer goes nowhere.
  def test_requests_of_a_killed_child_are_discarded_within_a_second
    assert_seconds_below(1, "to let go of it") do
      begin_again
      before = sockets(@pool.pid)
      path = occupy
      kill_the_child
      took = seconds do
        eventually("no channel of the dead child in the agent") { sockets(@pool.pid) <= before }
      end
      release(path)
      assert_equal @instance, pid_of_a_new_child
      assert_equal 1, runs
      took
    end
  end

  def test_an_instance_drops_the_request_of_a_killed_child_within_a_second
    assert_seconds_below(1, "to let go of it") do
      begin_again
      path = occupy
      (WAITING + 1).times { release(path) }
      eventually("all were run") { runs == WAITING + 1 }
      before = sockets(@instance)
      kill_the_child
      took = seconds do
        eventually("no channel of the dead child in the instance") do
          sockets(@instance) <= before - WAITING
        end
      end
      pid_of_a_new_child
      took
    end
  end

  def test_a_large_upload_that_ends_with_its_child_frees_its_instance
    raw = server.raw.request("POST", "/upload?started=#{@started}",
                             { "Content-Length" => "10000000" }).write("x" * 100_000)
    # The body is read, or will be read; in either case it never arrives whole.
    kill_the_child
    assert_equal @instance, pid_of_a_new_child
  ensure
    raw&.close
  end

  private

  # Sets up an instance that has not run a counted request.
  def begin_again
    @started = File.join(scratch, "started#{@asked.size}")
    @instance = client.pid
  end

  # Sends a request that keeps the instance, and others that wait in the queue.
  def occupy
    path = fifo("fifo#{@asked.size}")
    before = sockets(@pool.pid)
    (WAITING + 1).times do
      @asked << server.raw.request("GET", "/wait?fifo=#{path}&started=#{@started}")
      eventually("it has begun") { runs == 1 }
    end
    eventually("all have sent their requests") { sockets(@pool.pid) >= before + WAITING }
    path
  end

  def kill_the_child
    Process.kill(:KILL, server.tree.httpd_children.first.pid)
  end

  def pid_of_a_new_child
    eventually("an answer") { client.pid }
  end

  def sockets(pid)
    ProcessInfo.read(pid).descriptors.values.grep(/socket/).size
  end

  def runs
    File.exist?(@started) ? File.readlines(@started).size : 0
  end
end
