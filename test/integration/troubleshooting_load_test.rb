# frozen_string_literal: true

require_relative "support/busy_instance"
require_relative "support/troubleshooting"

# Requests that wait, hang or get no whole answer:
# doc/TROUBLESHOOTING.md#503
# doc/TROUBLESHOOTING.md#the-pool-is-full
# doc/TROUBLESHOOTING.md#502
# doc/TROUBLESHOOTING.md#504
# doc/TROUBLESHOOTING.md#memory-grows: replacement_test.rb has its first two rows
class TroubleshootingLoadTest < TroubleshootingTest
  include BusyInstance

  ONE = "PassengerMaxInstances 1\n"

  # An answer for each reason of 502, and for what follows it.
  ANSWERS = {
    "exit" => "exit!(3)",
    "broken" => "[200, {}, Enumerator.new { raise IOError, 'no more pieces' }]",
    "malformed" => "[200, { 'X-Bad' => \"a\\0b\" }, ['served']]",
    "short" => "[200, { 'Content-Length' => '100' }, ['served']]",
    "hijacked" => "[101, { 'Upgrade' => 'x', 'Connection' => 'Upgrade', " \
                  "'rack.hijack' => proc { |io| io.close } }, []]"
  }.freeze

  REASONS = {
    "exit" => /event=request\.failed .*status=502 .*the instance died/,
    "broken" => /event=request\.failed .*status=502 .*the application broke off its answer/,
    "malformed" => /output: event=response\.refused .*"the header .* has a forbidden character"/,
    "short" => /event=request\.failed .*status=502 .*shorter than its Content-Length/,
    "hijacked" => /output: event=response\.refused .*an upgrade that the client did not ask for/
  }.freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", 12)
    leave_room(made)
    made.site("full.test", SampleApps.rack, "#{ONE}PassengerMaxRequestQueueSize 1\n")
    made.site("late.test", SampleApps.rack, "#{ONE}PassengerMaxRequestQueueTime 1\n")
    made.site("hung.test", SampleApps.rack, "#{ONE}PassengerMaxRequestTime 1\n")
    made.site("drained.test", SampleApps.written(SampleApps.saying("served")),
              "<Location /health>\n  SetHandler passenger-health\n</Location>\n")
    ANSWERS.each do |name, answer|
      made.site("#{name}.test", SampleApps.written("run proc { |_env| #{answer} }\n"), ONE)
    end
    made.site("gone.test", SampleApps.written(GONE, "server.rb"),
              "#{ONE}PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
  end

  # Closes each connection within the answer, except that of the first question.
  GONE = <<~'RUBY'
    require "socket"
    server = TCPServer.new("127.0.0.1", ENV.fetch("PORT"))
    loop do
      socket = server.accept
      next socket.close unless socket.gets
      nil until socket.gets.to_s.chomp.empty?
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: ")
      socket.close
    end
  RUBY

  def test_503_of_a_full_queue
    while_busy("full.test") do
      asked = []
      eventually("a refusal") do
        asked << Thread.new { get("full", "/hello").code }
        asked.any? { |request| !request.alive? && request.value == "503" }
      end
      logged(/event=request\.refused .*queue is full: \d+ requests? waits? in it/)
      assert_match(/^ +In work: 1\n/, succeed(STATUS, "--show=requests"))
      configure("full", "PassengerMaxInstances 3\nPassengerMaxRequestQueueSize 100\n")
      assert_cured "full", "hello world\n", "/hello"
      assert_includes asked.map(&:value), "200"
    end
  end

  def test_504_of_a_request_that_waited
    while_busy("late.test") do
      assert_status 504, get("late", "/hello")
      logged(/event=request\.\w+ .*no instance began the request within/)
      configure("late", "PassengerMaxInstances 3\nPassengerMaxRequestQueueTime 1\n")
      assert_cured "late", "hello world\n", "/hello"
    end
  end

  def test_504_of_a_request_that_hangs
    # The instance has a second to write its backtraces.
    in_one_of(3) do
      eventually("an instance") { get("hung", "/hello").code == "200" }
      assert_status 504, get("hung", "/slow?seconds=60")
      logged(/event=request\.failed .*the application worked on the request for/)
      logged(/event=instance\.hung/)
      server.log.wait_for(/bodies\.rb:\d+:in [`'](?:Object#)?slow'/,
                          from: @log_position, within: 10)
    end
    configure("hung", "PassengerMaxRequestTime 1\n<Location /slow>\n" \
                      "  PassengerMaxRequestTime 60\n</Location>\n")
    eventually("the longer request") { get("hung", "/slow?seconds=2").code == "200" }
  end

  def test_requests_wait_while_the_pool_is_full_of_busy_instances
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 1)
      %w[greedy patient].each { |name| one.site("#{name}.test", SampleApps.rack) }
    end
    with_server(made) do |own|
      path = fifo
      started = File.join(scratch, "started")
      greedy = Thread.new { own.client("greedy.test").get("/wait?fifo=#{path}&started=#{started}") }
      eventually("the instance is busy") { File.exist?(started) }
      patient = Thread.new { own.client("patient.test").get("/hello") }
      eventually("a request that waits") do
        succeed(STATUS).match?(/^Requests in top-level queue *: 1$/)
      end
      own.graceful { |one| one.set("PassengerMaxPoolSize", 2) }
      assert_equal "200", patient.value.code
      assert_match(/^Requests in top-level queue *: 0$/, succeed(STATUS))
      release(path)
      assert_equal "200", greedy.value.code
    end
  end

  def test_503_of_a_balancers_check
    assert_cured "drained"
    eventually("the check") { get("drained", "/health").code == "200" }
    succeed(CONFIG, "drain", "--all")
    answer = assert_status(503, get("drained", "/health"))
    assert_match(/drains/, answer.body)
    logged(/event=health\.drained/)
    assert_equal "served", get("drained").body, "requests are served"
    succeed(CONFIG, "undrain", "--all")
    assert_status 200, get("drained", "/health")
  end

  # A corrected application serves.
  REASONS.each do |name, reason|
    define_method("test_502_#{name}") do
      assert_broken name
      logged(reason)
      logged(/event=instance\.exited .*status=3/) if name == "exit"
      logged(/no more pieces/) if name == "broken"
      correct(name, SampleApps.saying("served"))
      assert_cured name
    end
  end

  def test_502_of_an_application_in_another_language
    assert_status 502, get("gone")
    logged(/event=(answer\.refused|application\.unreachable)/)
    whole = GONE.sub("Content-Length: ", "Content-Length: 6\\r\\n\\r\\nserved")
    correct("gone", whole, "server.rb")
    assert_cured "gone"
  end

  private

  # httpd may have sent the head when an answer breaks off.
  def assert_broken(name)
    assert_status 502, get(name)
  rescue EOFError
    assert_equal "broken", name
  end
end
