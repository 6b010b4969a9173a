# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/system_call_trace"

# The processes with a seccomp filter make no call that it refuses, whatever they do. It refuses
# none of the list SEEN in ext/common/confinement/SystemCalls.cpp. With PASSENGER_TEST_CALLS the
# test follows these, too, and prints how often it has seen each, and which ones it has not seen.
class SystemCallsTest < IntegrationTest
  include CommandRunner

  LIST = File.join(TestEnvironment::SOURCE_DIR, "ext/common/confinement/SystemCalls.cpp")
  ANCHOR = /passenger-agent\S* anchor/.freeze
  WATCHDOG = /passenger-agent\S* watchdog/.freeze
  POOL = /passenger-agent\S* pool/.freeze
  # What the filter answers: SystemCallFilter.h.
  REFUSED = /\A-1 (ENOSYS|EAFNOSUPPORT)/.freeze
  # libc makes threads by clone instead, as decision 28 says.
  EXPECTED = %w[clone3].freeze
  RACK = "PassengerStickySessions on\nPassengerMemoryLimit 900\nPassengerMinInstances 1\n" \
         "<Location /status>\nSetHandler passenger-status\n</Location>\n"

  def setup
    needs_root("it traces processes of other users")
    skip "not run: #{SystemCallTrace.missing}" if SystemCallTrace.missing
    skip "not run: a build with sanitizers limits nothing" if TestEnvironment.sanitized?
  end

  def test_no_process_needs_a_call_that_its_filter_refuses
    @own_server = server = HttpdServer.new(made)
    server.start
    serve_all(server)
    trace = SystemCallTrace.new(the(ANCHOR, server).pid, File.join(scratch, "calls"),
                                without: ENV["PASSENGER_TEST_CALLS"] ? [] : listed)
    begin
      replace(WATCHDOG, server)
      work(server)
      left = server.stop
    ensure
      trace.finish
    end
    assert_nothing_left left
    assert_calls(trace)
  end

  private

  def made
    http = SampleApps.copy("http_app")
    configuration do |one|
      # A pool process that strace follows may answer late.
      one.set("PassengerAgentTimeout", 0)
      one.main_directives = "PassengerFileDescriptorLogFile #{File.join(scratch, "open")}\n" \
                            "PassengerOnEvent true\nPassengerLogLevel 6\nPassengerPoolIdleTime 1\n"
      one.set("PassengerMaxPoolSize", 12)
      one.site("rack.test", SampleApps.rack, RACK)
      one.site("port.test", http, "PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb\"\n")
      one.site("unix.test", http, "PassengerAppStartCommand " \
                                  "\"exec #{RbConfig.ruby} server.rb $PASSENGER_SOCKET\"\n" \
                                  "PassengerAppGroupName unix\n")
      one.site("broken.test", SampleApps.failing("raises"))
    end
  end

  # What the processes with a filter do in their lives.
  def work(server)
    serve_all(server)
    server.configuration.sites.first(2).each { |site| restart(site, server) }
    server.graceful do |one|
      one.main_directives << "PassengerPreStart http://rack.test:#{server.port}/hello\n" \
                             "PassengerPreStart http://localhost:#{server.port}/\n"
    end
    server.log.wait_for(/event=pre_start\.done url="[^"]*localhost/)
    ask(server)
    [pid_of("rack.test", server), the(/\APassenger bridge: /, server, 1).pid]
      .each { |pid| Process.kill(:KILL, pid) }
    serve_all(server)
    # Channels that nothing uses are closed.
    sleep 2
    # It writes a last line.
    Process.kill(:ABRT, the(POOL, server).pid)
    server.log.wait_for(/event=pool\.exited/)
    serve_all(server)
    replace(ProcessTree::RIGHTS, server)
    restart(server.configuration.sites.first, server)
  end

  def serve_all(server)
    %w[rack.test port.test unix.test].each do |site|
      eventually("an answer of #{site}") { server.client(site).get("/pid").code == "200" }
    end
    assert_status 500, server.client("broken.test").get("/")
    body = "x" * 300_000
    %w[port.test unix.test].each do |site|
      assert_equal body, server.client(site).post("/echo", body).body
      upgrade(server, site)
    end
    assert_status 200, server.client("rack.test").post("/upload", body)
    Array.new(20) { Thread.new { server.client("port.test").get("/slow") } }.each(&:join)
    leave(server)
  end

  def upgrade(server, site)
    raw = server.raw(site)
    raw.request("GET", "/upgrade", "Connection" => "Upgrade", "Upgrade" => "echo")
    assert_equal 101, raw.read_head.status
  ensure
    raw&.close
  end

  # Before the answer.
  def leave(server)
    raw = server.raw("port.test")
    raw.request("GET", "/slow")
    sleep 0.1
    raw.close
  end

  # What commands and the status page ask for.
  def ask(server)
    assert_status 200, server.client("rack.test").get("/status?json")
    [[STATUS], [CONFIG, "reopen-logs"], [CONFIG, "restart-app", "--ignore-app-not-running", "/"],
     ["passenger-memory-stats"]].each { |words| command(*words) }
  end

  def restart(site, server)
    before = pid_of(site.name, server)
    FileUtils.mkdir_p(File.join(site.root, "tmp"))
    FileUtils.touch(File.join(site.root, "tmp/restart.txt"))
    # Of a file of which a slow rights process tells too late the agent asks again after minutes.
    eventually("another instance", within: 240) { pid_of(site.name, server) != before }
  end

  def pid_of(site, server)
    eventually("an answer of #{site}") do
      answer = server.client(site).get("/pid")
      answer.code == "200" && Integer(answer.body)
    end
  end

  # One process of these.
  def the(pattern, server, least = nil)
    eventually(pattern.inspect) do
      found = server.tree.matching(pattern)
      (least ? found.size >= least : found.one?) && found.first
    end
  end

  def replace(pattern, server)
    old = the(pattern, server)
    Process.kill(:KILL, old.pid)
    eventually("another #{pattern.inspect}") do
      server.tree.matching(pattern).any? { |one| one.identity != old.identity }
    end
  end

  def assert_calls(trace)
    calls = trace.calls
    print_calls(calls) if ENV["PASSENGER_TEST_CALLS"]
    assert_equal %w[--limits bridge pool], calls.map(&:who).compact.uniq.sort
    refused = calls.select { |one| one.result.match?(REFUSED) || forbidden_process?(one) }
                   .reject { |one| EXPECTED.include?(one.name) }
    assert_empty refused.map { |one| "#{one.who}: #{one.name}(#{one.arguments[0, 80]}" }.uniq
    assert_empty trace.killed
  end

  def forbidden_process?(call)
    %w[clone fork vfork].include?(call.name) && call.result.start_with?("-1 EPERM")
  end

  def listed
    File.read(LIST)[/ SEEN\{.*?\};/m].scan(/"(\w+)"/).flatten
  end

  def print_calls(calls)
    by_role = calls.group_by(&:who).transform_values { |some| some.map(&:name).tally }
    puts "\nnot seen: #{(listed - by_role.values.flat_map(&:keys)).sort.join(" ")}"
    by_role.each { |who, names| puts "#{who}: #{names.sort_by { |_, count| -count }.to_h}" }
  end
end
