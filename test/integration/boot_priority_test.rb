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
  COMMAND = "PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb\"\n"

  if TestEnvironment.root?
    serve do |made|
      READY.each do |language, (file, program)|
        made.site("#{language}.test", SampleApps.written(format(program, ""), file),
                  "PassengerStartTimeout 60\n#{COMMAND if language == 'command'}")
      end
      made.site("late.test", SampleApps.written(SampleApps.saying("old")),
                "PassengerStartTimeout 6\n")
      made.site("cold.test", SampleApps.written(SampleApps.saying("old")))
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
      assert_equal [IDLE], policies(starting), "while it starts"
      assert_equal [NORMAL], serving.flat_map { |process| policies(process) }.uniq
      release(path)
      eventually("the new version") { client("#{language}.test").get("/").body == "new" }
      assert_equal [NORMAL], policies(starting), "when it is ready"
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
    assert_equal [NORMAL], policies(process_at(path))
    release(path)
    assert_status 200, answer.value
  end

  def test_a_start_that_takes_half_of_its_time_gets_the_normal_policy
    assert_status 200, client("late.test").get("/")
    path = fifo
    starting = deploy("late", path, "ruby")
    assert_equal [IDLE], policies(starting)
    eventually("the normal policy") { policies(starting) == [NORMAL] }
    release(path)
    eventually("the new version") { client("late.test").get("/").body == "new" }
  end

  private

  def may_be_nice?
    File.read("/proc/self/status")[/^CapEff:\s+(\h+)/, 1].hex[SYS_NICE] == 1
  end

  def program(language, path)
    _, program, wait = READY.fetch(language)
    format(program, format(wait, path.dump)).sub("old", "new")
  end

  # Returns the process that starts the new version.
  def deploy(name, path, language = name)
    root = root_of(name)
    File.write(File.join(root, READY.fetch(language).first), program(language, path))
    FileUtils.mkdir_p(File.join(root, "tmp"))
    FileUtils.touch(File.join(root, "tmp/restart.txt"))
    process_at(path)
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

  # Those of its threads.
  def policies(process)
    Dir.glob("/proc/#{process.pid}/task/*/stat").filter_map do |file|
      File.read(file).rpartition(")").last.split[38].to_i
    rescue SystemCallError
      nil # the thread has ended
    end.uniq
  end

  def session_of(process)
    File.read("/proc/#{process.pid}/stat").rpartition(")").last.split[3]
  end
end
