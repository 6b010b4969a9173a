# frozen_string_literal: true

require_relative "support/integration_test"

# Instances that die, at each moment of a request.
class InstanceDeathTest < IntegrationTest
  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    made.site("rack.test", SampleApps.rack)
  end

  def setup
    @started = File.join(scratch, "started")
    @position = server.log.position
    # The other tests' instances have died, perhaps before the agent saw their answers.
    @pid = eventually("an instance") { client.pid }
  end

  def runs
    File.exist?(@started) ? File.readlines(@started).size : 0
  end

  # The process that runs the only request that was begun.
  def client_pid_in_work
    Integer(File.read(@started))
  end

  # Starts a request that the instance keeps until it is killed.
  def begin_request(method = "GET", body = "")
    path = fifo("never-#{method}-#{rand(1 << 32)}")
    raw = server.raw.request(method, "/wait?fifo=#{path}&started=#{@started}",
                             { "Content-Length" => body.size.to_s })
    raw.write(body)
    eventually("the request has begun") { runs == 1 }
    raw
  end

  def test_an_idle_instance_that_is_killed_fails_no_request
    5.times do
      pid = client.pid
      Process.kill(:KILL, pid)
      refute_equal pid, client.pid
    end
  end

  def test_the_log_says_which_application_lost_which_process_and_how
    Process.kill(:KILL, @pid)
    line = server.log.wait_for(/instance\.exited.*\b#{@pid}\b|\b#{@pid}\b.*(exited|killed|died)/,
                               from: @position)
    assert_match(/signal=9|SIGKILL|signal 9/, line)
    assert_includes line, server.configuration.sites.first.root
  end

  def test_a_post_whose_instance_is_killed_gets_a_502
    raw = begin_request("POST", "some body")
    Process.kill(:KILL, @pid)
    assert_equal 502, raw.response.status
    assert_equal 1, runs, "a POST is never sent twice"
    assert_status 200, client.get("/hello")
  ensure
    raw&.close
  end

  # Takes ten milliseconds on an idle machine. A child that only looks each second is as fast once
  # in ten times.
  def test_a_child_learns_at_once_that_an_instance_died
    times = []
    quick = -> { times.count { |time| time < 0.1 } }
    times << time_to_learn until quick.call == 5 || times.size == 15
    assert_equal 5, quick.call, "seconds: #{times}"
  end

  def time_to_learn
    # An instance that has answered. After five deaths in a row, the next one would start late.
    client.pid
    raw = begin_request("POST", "some body")
    killed = Eventually.monotonic
    Process.kill(:KILL, client_pid_in_work)
    assert_equal 502, raw.response.status
    Eventually.monotonic - killed
  ensure
    raw&.close
    File.delete(@started)
  end

  def test_a_get_whose_instance_dies_is_sent_to_another_once
    response = assert_status(200, client.get("/kill?started=#{@started}&once=yes"))
    assert_match(/survived/, response.body)
    assert_equal 2, runs
  end

  def test_head_and_options_are_sent_to_another_instance_too
    %w[HEAD OPTIONS].each do |method|
      raw = server.raw.request(method, "/kill?started=#{@started}&once=yes")
      assert_equal [200, 2], [raw.response(head: method == "HEAD").status, runs], method
    ensure
      raw&.close
      File.delete(@started)
    end
  end

  def test_a_get_that_kills_every_instance_gets_a_502_after_the_second
    assert_status 502, client.get("/kill?started=#{@started}")
    assert_equal 2, runs
    assert_status 200, client.get("/hello")
  end

  def test_a_post_that_kills_its_instance_gets_a_502_at_once
    assert_status 502, client.post("/kill?started=#{@started}", "x" * 10)
    assert_equal 1, runs
  end

  def test_an_instance_that_dies_while_it_reads_a_large_body_is_a_502
    response = client.post_stream("/die_reading?started=#{@started}",
                                  Pattern::Reader.new(3_000_000), length: 3_000_000)
    assert_status 502, response
    assert_equal 1, runs
    assert_status 200, client.get("/hello")
  rescue Errno::EPIPE, Errno::ECONNRESET
    flunk "the client was cut off instead of answered"
  end

  def test_an_instance_that_exits_by_itself_fails_its_own_request_at_most
    assert_status [500, 502], client.post("/exit", "")
    assert_status 200, client.get("/hello")
  end

  def test_requests_that_waited_for_a_dead_instance_are_served_by_the_next
    raw = begin_request("POST")
    waiting = Array.new(5) { Thread.new { client.get("/slow?seconds=0&started=#{@started}").code } }
    Process.kill(:KILL, @pid)
    assert_equal 502, raw.response.status
    assert_equal ["200"] * 5, waiting.map(&:value)
    assert_equal 6, runs, "none ran twice"
  ensure
    raw&.close
  end

  def test_instances_killed_under_load_lose_the_request_in_flight_at_most
    stop = false
    codes = Array.new(4) { [] }
    load = codes.map { |own| Thread.new { own << client.get("/pid").code until stop } }
    5.times do
      Process.kill(:KILL, eventually("an instance") { client.pid })
      before = codes.map(&:size)
      eventually("a new instance") { client.get("/hello").code == "200" }
      # Each of these may be sent again once. None fails unless the next instance is killed, too.
      eventually("the end of what it had in work") do
        codes.map(&:size).zip(before).all? { |now, old| now > old }
      end
    end
    stop = true
    load.each(&:join)
    assert_equal ["200"], codes.flatten.uniq, codes.flatten.tally.inspect
  ensure
    stop = true
    load&.each(&:join)
  end

  def test_a_stopped_instance_that_is_killed_fails_no_idempotent_request
    ProcessInfo.stop(@pid)
    answer = Thread.new { client.get("/hello").code }
    # From outside the waiting does not show. If the request does not wait yet, the test only checks
    # less.
    sleep 0.2
    Process.kill(:KILL, @pid)
    assert_equal "200", answer.value
  end

  # The request was not begun, so its method does not matter.
  def test_a_post_that_waited_for_a_stopped_instance_goes_to_the_next_when_that_is_killed
    ProcessInfo.stop(@pid)
    answer = Thread.new { client.post("/slow?seconds=0&started=#{@started}", "x" * 10_000).code }
    sleep 0.2 # as above
    Process.kill(:KILL, @pid)
    assert_equal "200", answer.value
    assert_equal 1, runs
  end

  def test_a_stopped_instance_that_continues_does_not_run_withdrawn_requests
    ProcessInfo.stop(@pid)
    raw = server.raw.request("GET", "/slow?seconds=0&started=#{@started}")
    sleep 0.2 # as above
    raw.abort
    server.log.wait_for(/event=request\.given_up.*client left/, from: @position)
    Process.kill(:CONT, @pid)
    assert_equal @pid, client.pid
    assert_equal 0, runs
  ensure
    Process.kill(:CONT, @pid)
  end
end
