# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/steady_load"

# The pool process dies. Its instances live on, and the next pool process takes them over.
class PoolAdoptionTest < IntegrationTest
  include CommandRunner

  POOL = /passenger-agent\S* pool/.freeze
  # Says that it loads, and loads until `go_on`.
  LOADING = <<~APP
    File.write(File.join(__dir__, "loads"), "")
    sleep 0.02 until File.exist?(File.join(__dir__, "go_on"))
    run lambda { |_| [200, {}, [Process.pid.to_s]] }
  APP
  # Waits for the FIFO in the query after a GET's answer, and before a POST's.
  AT_WORK = <<~APP
    run lambda { |env|
      wait = -> { File.open(env["QUERY_STRING"], &:gets) if env["QUERY_STRING"] != "" }
      env["REQUEST_METHOD"] == "POST" ? wait.call : env["rack.after_reply"] << wait
      [200, {}, [Process.pid.to_s]]
    }
  APP

  serve do |made|
    # There is room for all, and for those that are about to end.
    made.set("PassengerMaxPoolSize", 12)
    made.site("rack.test", SampleApps.rack, "PassengerMinInstances 2\n")
    made.site("sticky.test", SampleApps.rack, "PassengerStickySessions on\n")
    made.site("http.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb $PASSENGER_SOCKET\"\n")
    made.site("one.test", SampleApps.rack, "PassengerMaxInstances 1\n")
  end

  def setup
    client.pid
  end

  def test_instances_live_on_and_the_next_pool_process_takes_them_over
    before = instances("rack.test", 2)
    kill_pool
    assert_includes before, client.pid
    3.times do
      kill_pool
      assert_equal before, instances("rack.test", 2)
    end
    # The pool process takes them over when a child of httpd asks for the application.
    eventually("the line about it") do
      client.get("/pid")
      server.log.text.match?(/event=instance\.adopted app="[^"]*" pid=#{before.first} /)
    end
  end

  # With control groups, the end of a group kills all that are in it.
  def test_instances_that_died_with_the_pool_process_take_no_other_with_them
    made = configuration do |one|
      one.site("four.test", SampleApps.rack, "PassengerMinInstances 4\nPassengerMaxInstances 4\n")
    end
    with_server(made) do |own|
      *dying, living = instances("four.test", 4, own)
      pool = the_pool(own)
      Process.kill(:STOP, pool.pid)
      dying.each { |pid| Process.kill(:KILL, pid) }
      Process.kill(:KILL, pool.pid)
      assert_includes instances("four.test", 4, own), living
    end
  end

  def test_an_application_that_speaks_http_is_not_started_again
    before = client("http.test").get("/pid").body
    3.times do
      kill_pool
      assert_equal before, client("http.test").get("/pid").body
    end
  end

  def test_no_request_waits_for_an_application_that_starts_slowly
    slow = SampleApps.written("sleep 3\nrun ->(_) { [200, {}, [Process.pid.to_s]] }\n")
    made = configuration { |one| one.site("slow.test", slow, "PassengerMaxInstances 1\n") }
    with_server(made) do |server|
      pid = server.client.get("/").body
      silences = nil
      answers = SteadyLoad.during(server.client, "/", threads: 2) do |load|
        load.wait_for("an answer") { |answer| answer.code == 200 }
        silences = Array.new(3) do
          load.longest do
            kill_pool(server)
            load.wait_for("an adoption") { adopted?(server, pid) }
          end
        end
      end
      assert_equal [[200, pid]], answers.map { |answer| [answer.code, answer.body] }.uniq
      assert_silence_below 2, silences, "deaths of the pool process"
    end
  end

  def test_a_request_in_work_is_answered_and_the_instance_is_taken_over
    pid = client("one.test").pid
    answer, path = request_in_work(server, "one.test")
    kill_pool
    waiting = Thread.new { client("one.test").pid }
    eventually("the take-over") { adopted?(server, pid) }
    release(path, "finished")
    assert_match(/finished/, assert_status(200, answer.value).body)
    assert_equal pid, waiting.value
  end

  def test_a_request_behind_one_with_work_after_its_answer_outlives_the_pool_process
    made = configuration do |one|
      one.use_one_child
      one.site("rack.test", SampleApps.written(AT_WORK),
               "PassengerMaxInstances 1\nPassengerThreadCount 2\n")
    end
    with_server(made) do |server|
      after = fifo
      pid = server.client.get("/?#{after}").body
      # It has the channel of the first one.
      path = fifo("second")
      answer = Thread.new { server.client.post("/?#{path}", "body") }
      eventually("two threads at work") { waits_on?(after, pid) && waits_on?(path, pid) }
      release(after)
      eventually("the end of the work after the first answer") { !waits_on?(after, pid) }
      # Its thread.
      assert_equal pid, server.client.get("/").body
      kill_pool(server)
      # The instance is told of the next pool process.
      assert_equal pid, server.client.get("/").body
      release(path)
      assert_equal pid, assert_status(200, answer.value).body
    end
  end

  # A request that was begun is not run a second time.
  def test_the_death_of_an_instance_that_was_taken_over_is_told_for_requests_of_both_times
    pid = client("one.test").pid
    answer, = request_in_work(server, "one.test")
    kill_pool
    waiting = Thread.new { client("one.test").pid }
    eventually("the take-over") { adopted?(server, pid) }
    Process.kill(:KILL, pid)
    assert_status(502, answer.value)
    refute_equal pid, waiting.value
  end

  def test_sticky_sessions_find_their_instance_again
    first = client("sticky.test").get("/pid")
    cookie = first["Set-Cookie"][/\A[^;]+/]
    kill_pool
    3.times do
      assert_equal first.body, client("sticky.test").get("/pid", "Cookie" => cookie).body
    end
  end

  def test_a_restart_that_nobody_saw_is_made_up_for
    made = configuration { |one| one.site("rack.test", SampleApps.rack) }
    with_server(made) do |server|
      root = server.configuration.sites.last.root
      old = server.client.pid
      pool = the_pool(server)
      ProcessInfo.stop(pool.pid)
      FileUtils.mkdir_p(File.join(root, "tmp"))
      FileUtils.touch(File.join(root, "tmp/restart.txt"))
      Process.kill(:KILL, pool.pid)
      server.client.get("/hello")
      eventually("the new version") { server.client.pid != old }
    end
  end

  def test_an_ordered_restart_that_has_failed_is_over
    root = SampleApps.written(SampleApps.saying("old"))
    with_server(configuration { |one| one.site("rack.test", root) }) do |server|
      assert_equal "old", server.client.get("/").body
      File.write(File.join(root, "config.ru"), "raise 'broken on purpose'\n")
      succeed(CONFIG, "restart-app", root)
      server.log.wait_for(/event=deploy\.failed/)
      kill_pool(server)
      # A look at the restart files follows from a request, a moment later.
      20.times do
        assert_equal "old", server.client.get("/").body
        sleep 0.05
      end
      assert_equal 1, server.log.count(/event=app\.restart /)
    end
  end

  # The application had no request since the pool process was replaced.
  def test_an_ordered_restart_with_a_broken_version_leaves_the_waiting_instances_serving
    root = SampleApps.written(SampleApps.saying("old"))
    with_server(configuration { |one| one.site("rack.test", root) }) do |server|
      assert_equal "old", server.client.get("/").body
      kill_pool(server)
      File.write(File.join(root, "config.ru"), "raise 'broken on purpose'\n")
      succeed(CONFIG, "restart-app", "--wait", "60", root)
      assert_equal "old", server.client.get("/").body
      server.log.wait_for(/event=deploy\.failed/)
      assert_equal "old", server.client.get("/").body
      refute_match(/event=instance\.orphaned/, server.log.text)
    end
  end

  # Nothing but the watchdog knows of the order then.
  def test_a_restart_that_was_ordered_is_begun_anew_by_the_next_pool_process
    root = SampleApps.written(LOADING)
    FileUtils.touch(File.join(root, "go_on"))
    with_server(configuration { |one| one.site("rack.test", root) }) do |server|
      old = server.client.get("/").body
      File.delete(File.join(root, "go_on"))
      File.delete(File.join(root, "loads"))
      succeed(CONFIG, "restart-app", root)
      2.times do
        # The next pool process knows the application when somebody asks for it.
        eventually("the new version") do
          server.client.get("/")
          File.exist?(File.join(root, "loads"))
        end
        File.delete(File.join(root, "loads"))
        kill_pool(server)
        assert_equal old, server.client.get("/").body
      end
      FileUtils.touch(File.join(root, "go_on"))
      eventually("the new version") { server.client.get("/").body != old }
      # The order is done: nothing of it is left with the watchdog.
      new = server.client.get("/").body
      kill_pool(server)
      assert_equal new, server.client.get("/").body
      succeed(CONFIG, "restart-app", root)
      eventually("the second order's version") { server.client.get("/").body != new }
      assert_equal 2, server.log.count(/event=deploy\.done/)
    end
  end

  def test_instances_of_an_application_that_nobody_asks_for_end_where_another_needs_room
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 1)
      one.site("rack.test", SampleApps.rack)
      one.site("other.test", SampleApps.rack)
    end
    with_server(made) do |server|
      pid = server.client("rack.test").pid
      kill_pool(server)
      refute_equal pid, server.client("other.test").pid
      eventually("its end") { !ProcessInfo.read(pid)&.alive? }
      assert_status 200, server.client("rack.test").get("/hello")
    end
  end

  # One host may have two of the instances, so the others wait when it asks first.
  def test_a_restart_also_replaces_instances_that_wait_for_their_application
    root = SampleApps.rack
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 6)
      one.site("many.test", root, "PassengerMinInstances 4\n")
      one.site("few.test", root, "PassengerMaxInstances 2\n")
    end
    with_server(made) do |server|
      old = []
      eventually("four instances") { (old |= [server.client("many.test").pid]).size == 4 }
      kill_pool(server)
      eventually("a take-over") do
        server.client("few.test").pid && server.log.text.include?("event=instance.adopted")
      end
      FileUtils.touch(File.join(root, "tmp/restart.txt"))
      eventually("the end of the old ones") { old.none? { |pid| ProcessInfo.read(pid)&.alive? } }
      refute_includes old, server.client("many.test").pid
    end
  end

  def test_a_request_that_its_killed_instance_has_begun_is_not_run_again
    made = configuration { |one| one.site("rack.test", SampleApps.rack) }
    with_server(made) do |server|
      pid = server.client.pid
      answer, _, begun_by = request_in_work(server, "rack.test", "GET")
      ProcessInfo.stop(pid)
      kill_pool(server)
      refute_equal pid, server.client.pid
      assert_status(502, answer.value)
      assert_equal pid, begun_by.call
    end
  end

  def test_an_instance_that_was_told_to_end_outlives_a_second_death
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 1)
      one.site("rack.test", SampleApps.rack)
      one.site("other.test", SampleApps.rack)
    end
    with_server(made) do |server|
      pid = server.client.pid
      answer, path = request_in_work(server, "rack.test")
      kill_pool(server)
      server.client("other.test").pid
      server.log.wait_for(/event=instance\.orphaned .* pid=#{pid} /)
      kill_pool(server)
      server.client("other.test").pid
      release(path, "finished")
      assert_status(200, answer.value)
    end
  end

  def test_hung_instances_delay_no_sound_ones
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 6)
      one.site("rack.test", SampleApps.rack, "PassengerMinInstances 6\n")
    end
    with_server(made) do |server|
      pids = []
      eventually("six instances") { (pids |= [server.client.pid]).size == 6 }
      stopped = pids.sort.first(4)
      stopped.each { |pid| ProcessInfo.stop(pid) }
      kill_pool(server)
      assert_includes pids - stopped, server.client.pid
      stopped.each { |pid| assert ProcessInfo.read(pid)&.alive?, "it had ten seconds to answer" }
    end
  end

  def test_instances_that_nobody_asks_for_end_after_the_idle_time
    made = configuration do |one|
      one.set("PassengerPoolIdleTime", 1)
      one.site("rack.test", SampleApps.rack, "PassengerMinInstances 1\n")
    end
    with_server(made) do |server|
      pid = server.client.pid
      kill_pool(server)
      eventually("its end") { !ProcessInfo.read(pid)&.alive? }
      server.log.wait_for(/event=instance\.orphaned .* pid=#{pid} reason="no child has asked/)
    end
  end

  def test_a_stopped_instance_keeps_the_next_pool_process_from_nothing
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 2)
      one.site("rack.test", SampleApps.rack)
      one.site("other.test", SampleApps.rack)
    end
    with_server(made) do |server|
      pid = server.client.pid
      ProcessInfo.stop(pid)
      kill_pool(server)
      assert_status 200, server.client("other.test").get("/hello")
      # It does not answer, so it is killed, and another one takes its place.
      refute_equal pid, server.client.pid
      assert_match(/event=instance\.not_adopted .* pid=#{pid} /, server.log.text)
    end
  end

  private

  # Returns the thread that waits for the answer, the FIFO that lets the application answer, and
  # what tells the pid of the process that has begun with it last.
  def request_in_work(of, site, verb = "POST")
    path = fifo
    started = File.join(scratch, "started-#{File.basename(path)}")
    url = "/wait?fifo=#{path}&started=#{started}"
    answer = Thread.new do
      verb == "GET" ? of.client(site).get(url) : of.client(site).post(url, "body")
    end
    eventually("it has begun") { File.size?(started) }
    [answer, path, -> { File.read(started).to_i }]
  end

  def waits_on?(path, pid)
    ProcessInfo.read(pid.to_i).descriptors.value?(path)
  end

  def the_pool(of)
    eventually("just one pool process") { (found = of.tree.matching(POOL)).one? && found.first }
  end

  # Returns when another one is there.
  def kill_pool(of = server)
    old = the_pool(of)
    Process.kill(:KILL, old.pid)
    eventually("another pool process") do
      of.tree.matching(POOL).any? { |process| process.identity != old.identity }
    end
  end

  def instances(site, count, of = server)
    found = []
    eventually("#{count} instances") do
      found |= [of.client(site).pid]
      found.size == count
    end
    found.sort
  end

  def adopted?(of, pid)
    of.log.text.match?(/event=instance\.adopted .* pid=#{pid} /)
  end
end
