# frozen_string_literal: true

require_relative "support/integration_test"

# A process that starts while others of its application serve gets what time they leave.
class BootPriorityTest < IntegrationTest
  # sched(7): policies.
  NORMAL = 0
  IDLE = 5
  SYS_NICE = 23
  # The application of each language waits for a line from the FIFO before it is ready.
  READY = {
    "ruby" => ["config.ru", "%s\n#{SampleApps.saying('old')}", "File.open(%s, 'r+', &:gets)"],
    "python" => ["passenger_wsgi.py", <<~PYTHON, "open(%s, 'r+b', buffering=0).readline()"],
      import threading
      threading.Thread(target=threading.Event().wait, daemon=True).start()
      %s
      def application(environ, start_response):
          start_response("200 OK", [("Content-Type", "text/plain")])
          return [b"old"]
    PYTHON
    "node" => ["app.js", <<~JAVASCRIPT, "fs.readSync(fs.openSync(%s, 'r+'), Buffer.alloc(9))"],
      const fs = require("fs");
      %s;
      require("http").createServer((request, response) => response.end("old")).listen(3000);
    JAVASCRIPT
    "command" => ["server.rb", <<~'RUBY', "File.open(%s, 'r+', &:gets)"]
      %s
      require "socket"
      server = TCPServer.new("127.0.0.1", ENV.fetch("PORT"))
      while (client = server.accept)
        # The bridge tries whether somebody listens, and closes that connection.
        asked = client.gets("\r\n\r\n")
        answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nold"
        client.write(answer) if asked
        client.close
      end
    RUBY
  }.freeze
  # Programs in the session of the instance, and so beside those that start.
  SPINNING = <<~'RUBY'
    run proc { |env|
      count = env["QUERY_STRING"].to_i
      count.times { spawn("sh", "-c", "until [ -e tmp/stop ]; do :; done") }
      [200, { "Content-Type" => "text/plain" }, ["old"]]
    }
  RUBY
  COMMAND = "PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb\"\n"

  if TestEnvironment.root?
    serve do |made|
      # An instance that ends for another one would wait for its FIFO again.
      made.set("PassengerMaxPoolSize", 20)
      READY.each do |language, (file, program)|
        made.site("#{language}.test", SampleApps.written(format(program, ""), file),
                  "PassengerStartTimeout 60\n#{COMMAND if language == 'command'}")
      end
      %w[spinning crowded].each do |name|
        made.site("#{name}.test", SampleApps.written(SPINNING), "PassengerStartTimeout 20\n")
      end
      made.site("late.test", SampleApps.written(SampleApps.saying("old")),
                "PassengerStartTimeout 16\n")
      # Without a preloader of the old version no instance of it starts again.
      made.site("alone.test", SampleApps.written(SampleApps.saying("old")),
                "PassengerSpawnMethod direct\n")
      %w[cold daemon].each do |name|
        made.site("#{name}.test", SampleApps.written(SampleApps.saying("old")))
      end
    end
  end

  def setup
    skip "needs root and CAP_SYS_NICE" unless TestEnvironment.root? && may_be_nice?
    @position = server.log.position
  end

  READY.each_key do |language|
    define_method("test_a_new_version_starts_behind_the_old_one_in_#{language}") do
      assert_status 200, client("#{language}.test").get("/")
      serving = instances(language)
      path = fifo
      starting = deploy(language, path)
      assert_equal [IDLE], starting.policies, "while it starts"
      assert_equal [NORMAL], serving.flat_map(&:policies).uniq
      release(path)
      eventually("the new version") { client("#{language}.test").get("/").body == "new" }
      assert_equal [NORMAL], starting.policies, "when it is ready"
    end
  end

  # Where the kernel groups processes by session, it compares the policies within one.
  (READY.keys - ["command"]).each do |language|
    define_method("test_instances_in_#{language}_share_the_session_of_their_spawn_server") do
      assert_status 200, client("#{language}.test").get("/")
      spawn_server = server.tree.matching(/\APassenger spawn server/)
      instances(language).each do |process|
        assert_includes spawn_server.map { |one| session_of(one) }, session_of(process)
      end
    end
  end

  def test_a_first_instance_starts_like_any_process
    path = fifo
    File.write(File.join(root_of("cold"), "config.ru"), program("ruby", path))
    answer = Thread.new { client("cold.test").get("/") }
    assert_equal [NORMAL], process_at(path).policies
    release(path)
    assert_status 200, answer.value
  end

  def test_a_start_that_takes_half_of_its_time_gets_the_normal_policy
    assert_status 200, client("late.test").get("/")
    path = fifo
    starting = deploy("late", path, "ruby")
    assert_equal [IDLE], starting.policies
    eventually("the normal policy") { starting.policies == [NORMAL] }
    release(path)
    eventually("the new version") { client("late.test").get("/").body == "new" }
  end

  # Requests wait for it then. On a busy machine the start may have the normal policy before.
  def test_a_start_gets_the_normal_policy_when_the_last_instance_that_serves_has_ended
    in_one_of(3) do
      position = server.log.position
      assert_status 200, client("alone.test").get("/")
      serving = instances("alone")
      path = fifo("alone-#{position}")
      starting = deploy("alone", path, "ruby")
      serving.each { |process| Process.kill(:KILL, process.pid) }
      line = server.log.wait_for(/event=spawn\.priority_raised /, from: position)
      eventually("the normal policy") { starting.policies == [NORMAL] }
      release(path)
      eventually("the new version") { client("alone.test").get("/").body == "new" }
      assert_match(/reason="no instance of the application serves any more"/, line)
    end
  end

  # Its spawn server waits until a process executes its program, and so do all other starts.
  def test_a_process_executes_its_program_with_normal_priority
    assert_status 200, client("spinning.test").get("/?#{4 * Etc.nprocessors}")
    write("spinning", SampleApps.saying("new"))
    low = eventually("low priority", every: 0.005) do
      server.tree.processes.find { |process| process.policies == [IDLE] }
    end
    # One that has not executed it after a second counts as started.
    refute_match(/boot keeper/, low.command_line) if ProcessInfo.now - low.started < 100
    FileUtils.touch(File.join(root_of("spinning"), "tmp/stop"))
    eventually("the new version") { client("spinning.test").get("/").body == "new" }
  ensure
    FileUtils.touch(File.join(root_of("spinning"), "tmp/stop"))
  end

  # In the session of its spawn server it would hardly get on.
  def test_a_start_for_which_the_processors_have_no_time_gets_the_normal_policy
    assert_status 200, client("crowded.test").get("/?#{4 * Etc.nprocessors}")
    write("crowded", "loop { 1 + 1 }\n")
    raised = /event=spawn\.priority_raised .*pid=(\d+) reason="the processors have no free time/
    starting = ProcessInfo.read(Integer(server.log.wait_for(raised, from: @position)[raised, 1]))
    eventually("the normal policy") { starting.policies == [NORMAL] }
    write("crowded", SampleApps.saying("new"))
    eventually("the new version") { client("crowded.test").get("/").body == "new" }
  ensure
    FileUtils.touch(File.join(root_of("crowded"), "tmp/stop"))
  end

  # What the application leaves behind while it starts is no descendant of it.
  def test_a_daemon_of_a_start_gets_the_normal_policy_and_no_limit
    assert_status 200, client("daemon.test").get("/")
    path = fifo
    deploy("daemon", path, "ruby", "fork { Process.daemon; $0 = 'left daemon'; sleep }\n")
    daemon = eventually("the daemon") { server.tree.matching(/\Aleft daemon/).first }
    assert_equal [IDLE], daemon.policies
    release(path)
    eventually("the new version") { client("daemon.test").get("/").body == "new" }
    assert_equal [NORMAL], daemon.policies
    limits = [daemon, server].map { |one| File.read("/proc/#{one.pid}/limits")[/^Max processes.*/] }
    assert_equal limits.last, limits.first
  end

  private

  def may_be_nice?
    File.read("/proc/self/status")[/^CapEff:\s+(\h+)/, 1].hex[SYS_NICE] == 1
  end

  def program(language, path)
    _, program, wait = READY.fetch(language)
    format(program, format(wait, path.dump)).sub("old", "new")
  end

  # Returns the process that starts the new version. `first`: what that does first.
  def deploy(name, path, language = name, first = "")
    write(name, first + program(language, path), READY.fetch(language).first)
    process_at(path)
  end

  def write(name, text, file = "config.ru")
    File.write(File.join(root_of(name), file), text)
    FileUtils.mkdir_p(File.join(root_of(name), "tmp"))
    FileUtils.touch(File.join(root_of(name), "tmp/restart.txt"))
  end

  def process_at(path)
    eventually("the application waits") do
      server.tree.processes.find { |process| process.descriptors.value?(path) }
    end
  end

  def root_of(name)
    server.configuration.sites.find { |site| site.name == "#{name}.test" }.root
  end

  def instances(language)
    root = root_of(language)
    server.tree.processes.select { |process| process.directory == root }
  end

  def session_of(process)
    File.read("/proc/#{process.pid}/stat").rpartition(")").last.split[3]
  end
end
