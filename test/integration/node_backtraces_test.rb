# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# PassengerSlowRequestLog of Node applications: a blocked event loop is seen from another thread.
class NodeBacktracesTest < IntegrationTest
  include CommandRunner

  NODE = system("node --version >/dev/null 2>&1")
  APP = <<~'JS'
    const fs = require("fs");
    const { execSync } = require("child_process");

    function spin(path) {
        while (!fs.existsSync(path)) {
            // The event loop is blocked.
        }
    }

    function wait(path, done) {
        return fs.existsSync(path) ? done() : setTimeout(wait, 20, path, done);
    }

    require("http").createServer((request, response) => {
        const { pathname, searchParams } = new URL(request.url, "http://localhost");
        const path = searchParams.get("path");
        const answer = () => response.end(String(process.pid));
        if (pathname === "/spin") {
            spin(path);
        } else if (pathname === "/sleep") {
            execSync(`until test -e ${path}; do sleep 0.1; done`);
        } else if (pathname === "/wait") {
            return wait(path, answer);
        }
        return answer();
    }).listen(80);
  JS
  BLOCKED = /Thread main of process \d+, whose event loop is blocked:/
  RUNS = /Thread main of process \d+ is not blocked: its event loop takes events/

  serve do |made|
    # An instance is asked once in ten seconds: each test has one of its own, and its first
    # request, which may be slow, does not ask.
    { "spins" => "spin", "waits" => "wait", "sleeps" => "sleep" }.each do |name, path|
      made.site("#{name}.test", SampleApps.written(APP, "app.js"),
                "PassengerMaxInstances 1\nPassengerSlowRequestLog 1h\n" \
                "<Location /#{path}>\nPassengerSlowRequestLog 300ms\n</Location>\n")
    end
    made.site("shown.test", SampleApps.written(APP, "app.js"), "PassengerMaxInstances 1\n")
  end

  def setup
    skip "there is no node" unless NODE
  end

  def test_the_log_has_the_place_where_the_event_loop_is_blocked
    pid = client("spins.test").get("/").body
    position = server.log.position
    slow("spins.test", "/spin") do
      server.log.wait_for(%r{event=request.slow .* pid=#{pid} .* uri="/spin}, from: position)
      # Before it, the log may say that the thread runs no JavaScript: it got no processor.
      server.log.wait_for(/Thread main of process #{pid}, whose event loop is blocked:/,
                          from: position)
      server.log.wait_for(%r{^App #{pid} output:     at spin \(.*app\.js:5:}, from: position)
      server.log.wait_for(%r{^App #{pid} output:     in work for [\d.]+ s: GET /spin},
                          from: position)
      refute_match(/blocked_loop|evaluate|at <anonymous>/, server.log.text(position))
      assert_empty listening(pid)
    end
    assert_equal pid, client("spins.test").get("/").body, "the instance goes on"
    refute_match(RUNS, server.log.text(position))
  end

  def test_a_request_that_waits_has_no_backtrace
    pid = client("waits.test").get("/").body
    position = server.log.position
    slow("waits.test", "/wait") do
      server.log.wait_for(/Thread main of process #{pid} is not blocked: /, from: position)
      server.log.wait_for(%r{^App #{pid} output:     in work for [\d.]+ s: GET /wait},
                          from: position)
    end
    refute_match(BLOCKED, server.log.text(position))
  end

  def test_a_system_call_that_does_not_end_is_told
    pid = client("sleeps.test").get("/").body
    position = server.log.position
    slow("sleeps.test", "/sleep") do
      server.log.wait_for(/#{pid}, whose event loop is blocked, runs no JavaScript/, from: position)
    end
    server.log.wait_for(/ at .*execSync/, from: position)
  end

  def test_the_status_tells_what_an_instance_does
    pid = client("shown.test").get("/").body
    slow("shown.test", "/wait") do
      shown = eventually("the request") do
        text = succeed(STATUS, "--show=backtraces")
        text if text.include?("GET /wait")
      end
      assert_match(/Thread main of process #{pid} is not blocked/, shown)
    end
  end

  private

  # Runs the block while the request is in work.
  def slow(site, path)
    go = File.join(scratch, "go-#{site}")
    answer = Thread.new { client(site).get("#{path}?path=#{go}") }
    yield
    File.write(go, "")
    assert_status 200, answer.value
  ensure
    File.write(go, "")
  end

  # Ports on which the process listens.
  def listening(pid)
    inodes = Dir.glob("/proc/#{pid}/fd/*").filter_map do |link|
      File.readlink(link)[/\Asocket:\[(\d+)\]/, 1]
    rescue SystemCallError
      nil
    end
    %w[tcp tcp6].flat_map do |kind|
      File.readlines("/proc/#{pid}/net/#{kind}").drop(1).map(&:split)
          .select { |row| row[3] == "0A" && inodes.include?(row[9]) }
    end
  end
end
