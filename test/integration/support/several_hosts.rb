# frozen_string_literal: true

require_relative "command_runner"
require_relative "integration_test"

# Tests with two hosts, "a" and "b": servers of one test, each with the same application at
# rack.test and its health at /health.
module SeveralHosts
  include CommandRunner

  README = File.read(File.join(TestEnvironment::SOURCE_DIR, "doc/scale-out/README.md"))
  HEALTH = "<Location /health>\nSetHandler passenger-health\n</Location>\n"

  private

  # Yields both servers by name. `directives` are the application's.
  def with_hosts(directives)
    @hosts = %w[a b].to_h do |name|
      made = configuration { |one| one.site("rack.test", SampleApps.rack, directives + HEALTH) }
      [name, HttpdServer.new(made).start]
    end
    @hosts.each_value { |host| assert_status 200, host.client.get("/hello") }
    yield @hosts
    @hosts.each_value { |host| assert_nothing_left host.stop }
  ensure
    @hosts&.each_value { |host| host.destroy(keep: !passed?) }
  end

  # The only line of doc/scale-out/README.md that begins so.
  def documented(start)
    README.lines.select { |line| line.start_with?(start) }.then do |lines|
      assert_equal 1, lines.size
      lines.first
    end
  end

  # The requests of a client that keeps its cookies reach one host.
  def assert_sticky(client)
    first = client.get("/pid")
    cookie = first["Set-Cookie"][/\A[^;]+/]
    pids = Array.new(20) { client.get("/pid", "Cookie" => cookie).body }
    assert_equal [first.body], pids.uniq
  end

  # Runs passenger-config on one host.
  def on(host, *arguments)
    @commanded = host
    succeed(CommandRunner::CONFIG, *arguments)
  end

  def commanded
    @commanded
  end

  # Kills all processes of a host at once, httpd's first. Returns the time in which they ended.
  def kill_host(host)
    pids = host.tree.pids
    began = monotonic
    kill_all(pids)
    wait_for_end(pids)
    ended = monotonic
    eventually("the end of the host") do
      late = kill_all(host.tree.pids)
      wait_for_end(late)
      ended = monotonic unless late.empty?
      late.empty?
    end
    began..ended
  end

  def wait_for_end(pids)
    eventually("the end of processes") { pids.none? { |pid| ProcessInfo.read(pid)&.alive? } }
  end

  def kill_all(pids)
    pids.each do |pid|
      Process.kill(:KILL, pid)
    rescue Errno::ESRCH
      # It has ended meanwhile.
    end
  end

  # A file that gets a line from the application for each run of a request.
  def runs_file(id)
    File.join(scratch, "run-#{id}")
  end

  def runs(id)
    File.exist?(runs_file(id)) ? File.readlines(runs_file(id)).size : 0
  end

  # The lines of the host's access log that match.
  def accesses(host, pattern)
    LogReader.new(File.join(host.folder, "logs/access.log")).text.lines.grep(pattern)
  end
end
