# frozen_string_literal: true

require_relative "support/container"
require_relative "support/integration_test"

# The example of doc/scale-out/container as it stands there: its files in a container, and what its
# manifest for Kubernetes does with it. script/container runs this with the image that its
# Containerfile makes.
class ContainerTest < IntegrationTest
  EXAMPLE = ContainerExample
  README = File.join(EXAMPLE::FOLDER, "README.md")
  # Seconds that instances have at httpd's stop: those with a request, and then
  # PassengerStopTimeout.
  END_OF_INSTANCES = 3 + 5
  # Files of the tests in the volume.
  REQUEST = %w[gate started].freeze
  # Tells what the application finds in the container.
  PROBE = <<~RUBY
    require "tmpdir"
    require "rack"
    run(lambda do |env|
      request = Rack::Request.new(env)
      said = request.post? ? request.params["file"][:tempfile].size : Dir.mktmpdir { |made| made }
      [200, { "content-type" => "text/plain" }, [said.to_s]]
    end)
  RUBY

  def setup
    skip Container.obstacle if Container.obstacle
  end

  def teardown
    puts @container.log unless passed? || @container.nil?
    @container&.destroy
    @gate&.close
  end

  def test_it_serves_and_logs_to_stdout_and_stderr
    run_container
    assert_equal "hello from a container\n", assert_status(200, @container.get("/")).body
    assert_equal "User-agent: *\n", assert_status(200, @container.get("/robots.txt")).body
    assert_equal "alive\n", assert_status(200, @container.get(EXAMPLE.probe("liveness"))).body
    # A command may look at an instance in the moment in which it begins to serve.
    [%w[passenger-status], %w[passenger-config sizing]].each do |command|
      eventually(command.join(" ")) { assert_equal 0, @container.run(*command).last }
    end
    stop_container
    assert_match(%r{"GET / HTTP/1.1" 200}, @container.output)
    [/resuming normal operations/, /event=instance\.started/, /event=agent\.stopped/].each do |line|
      assert_match line, @container.errors
    end
    refute_match(/:(warn|error|crit|alert|emerg)\]/, @container.errors)
  end

  def test_it_has_no_right_and_can_write_to_its_volume_only
    run_container
    assert_status 200, @container.get("/")
    user = EXAMPLE.user.split(":").first.to_i
    @container.processes.each do |process|
      status = File.read("/proc/#{process.pid}/status")
      assert_equal ["0" * 16], status.scan(/^Cap(?!Amb)\w+:\s+(\h+)/).flatten.uniq, process.to_s
      assert_match(/^NoNewPrivs:\s+1$/, status, process.to_s)
      assert_equal [user], status[/^Uid:(.*)/, 1].split.map(&:to_i).uniq, process.to_s
    end
    # Elsewhere every user may write to /var/tmp.
    written = %w[/etc /run /srv/app /var/tmp /tmp].select do |folder|
      @container.run("sh", "-c", "echo >#{folder}/test && rm #{folder}/test").last.zero?
    end
    assert_equal [EXAMPLE.place], written
  end

  def test_bodies_and_temporary_files_are_in_the_volume
    run_container(SampleApps.written(PROBE))
    assert_match %r{\A#{EXAMPLE.place}/}, assert_status(200, @container.get("/")).body
    file = "x" * 1_000_000
    head = "Content-Disposition: form-data; name=\"file\"; filename=\"f\""
    answer = @container.client.post("/", "--a\r\n#{head}\r\n\r\n#{file}\r\n--a--",
                                    "Content-Type" => "multipart/form-data; boundary=a")
    assert_equal file.size.to_s, assert_status(200, answer).body
    stop_container
  end

  def test_a_stop_lets_requests_be_answered
    run_container(SampleApps.rack)
    answer = begin_request
    @container.signal(:TERM)
    eventually("it has begun to stop") { @container.errors.include?("shutting down gracefully") }
    release_request
    assert_status 200, answer.value
    assert_ended
  end

  def test_a_stop_during_the_start_ends_it
    @container = Container.new.start
    eventually("httpd's start") do
      @container.processes.any? { |process| process.command_line.start_with?("apache2") }
    end
    @container.signal(:TERM)
    @container.wait(within: EXAMPLE.grace)
  end

  # The service sends requests until it knows that the pod ends.
  def test_before_the_stop_the_pod_is_taken_out_and_serves
    run_container(SampleApps.rack)
    answer = begin_request
    command = Thread.new { @container.run(*EXAMPLE.pre_stop) }
    eventually("503") { @container.get(EXAMPLE.probe("readiness")).code == "503" }
    assert_status 200, @container.get(EXAMPLE.probe("liveness"))
    assert_status 200, @container.get("/hello")
    assert_predicate command, :alive?
    release_request
    assert_status 200, answer.value
    output, status = command.value
    assert_equal 0, status, output
    refute_match(/failed|cannot/, output)
    stop_container
  end

  def test_the_pod_has_time_for_all_of_its_end
    waits, sleeps = EXAMPLE.pre_stop.last.match(/--wait (\d+); sleep (\d+)\z/).captures.map(&:to_i)
    stop = EXAMPLE.directive("GracefulShutdownTimeout").to_i
    assert_operator waits + sleeps + stop + END_OF_INSTANCES, :<, EXAMPLE.grace
  end

  def test_it_starts_again_where_it_was_killed
    run_container
    @container.signal(:KILL)
    @container.wait
    refute_empty @container.changes
    @container.start.wait_until_ready
    assert_status 200, @container.get("/")
    stop_container
  end

  def test_it_reaps_what_others_leave
    run_container
    output, status = @container.run("sh", "-c", "sleep 0.1 >/dev/null & echo $!")
    assert_equal 0, status, output
    eventually("the orphan has ended") do
      @container.run("test", "-e", "/proc/#{Integer(output)}").last == 1
    end
  end

  # Where a runtime does not give stdout and stderr to the user.
  def test_programs_write_the_logs_where_stdout_belongs_to_another_user
    lines = File.read(README).scan(/^(?:ErrorLog|CustomLog) "\|.*\n/)
    assert_equal 2, lines.size
    @container = Container.new
    @container.change("etc/container/httpd.conf") do |text|
      lines.reduce(text) { |all, line| all.sub(/^#{line[/\A\w+/]} .*\n/) { line } }
    end
    @container.start(owner: 0).wait_until_ready
    assert_status 200, @container.get("/")
    eventually("both logs") do
      [/event=instance\.started/, %r{GET / }].all? { |line| @container.output.match?(line) }
    end
    stop_container
  end

  def test_the_manifest_is_about_the_recipe
    assert_equal [EXAMPLE.user], EXAMPLE.said("USER")
    assert_equal [EXAMPLE.port.to_s], EXAMPLE.said("EXPOSE")
    context = EXAMPLE.container["securityContext"]
    assert_equal [true, false, ["ALL"]], [context["readOnlyRootFilesystem"],
                                          context["allowPrivilegeEscalation"],
                                          context.dig("capabilities", "drop")]
    assert_equal EXAMPLE.container["volumeMounts"].map { |mount| mount["name"] },
                 EXAMPLE.pod["volumes"].map { |volume| volume["name"] }
    deployment, service = EXAMPLE.manifests
    labels = [deployment.dig("spec", "selector", "matchLabels"),
              deployment.dig("spec", "template", "metadata", "labels"),
              service.dig("spec", "selector")]
    assert_equal 1, labels.uniq.size
  end

  private

  def run_container(app = nil)
    @container = Container.new(app: app)
    @container.start.wait_until_ready
  end

  # Nothing is in work.
  def stop_container
    @container.signal(:TERM)
    assert_ended
  end

  # Nothing is left: no process, and no file but the folder.
  def assert_ended
    assert_equal 0, @container.wait(within: EXAMPLE.grace)
    assert_equal ["httpd"], @container.changes - REQUEST
  end

  # Sends a request that is answered after release_request.
  def begin_request
    gate, started = REQUEST.map { |name| File.join(@container.volume, name) }
    File.mkfifo(gate)
    File.chmod(0o666, gate)
    @gate = File.open(gate, "r+")
    path = "/wait?fifo=#{EXAMPLE.place}/gate&started=#{EXAMPLE.place}/started"
    answer = Thread.new { @container.get(path) }
    eventually("the request is in work") { File.exist?(started) }
    answer
  end

  def release_request
    @gate.syswrite("go\n")
  end
end
