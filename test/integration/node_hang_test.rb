# frozen_string_literal: true

require_relative "support/integration_test"

# PassengerMaxRequestTime of Node applications: the log says what a hung instance does.
class NodeHangTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  APP = <<~'JS'
    const { execSync } = require("child_process");

    function spin() {
        for (;;) {
            // The event loop is blocked.
        }
    }

    require("http").createServer((request, response) => {
        switch (request.url) {
            case "/spin": return spin();
            case "/sleep": return execSync("sleep 60");
            case "/never": return undefined;
            default: return response.end(String(process.pid));
        }
    }).listen(80);
  JS

  serve do |made|
    made.site("node.test", SampleApps.written(APP, "app.js"),
              "PassengerMaxInstances 1\nPassengerMaxRequestTime 1\n")
  end

  def setup
    skip "there is no node" unless NODE
  end

  def test_a_blocked_event_loop_has_a_backtrace
    hang("/spin") do |pid, from|
      wait_for(/Thread main of process #{pid}, whose event loop is blocked:/, from)
      wait_for(/^App #{pid} output:     at spin \(.*app\.js:4:/, from)
      wait_for(%r{^App #{pid} output:     in work for [\d.]+ s: GET /spin}, from)
      refute_match(/is not blocked/, server.log.text(from))
    end
  end

  def test_a_request_that_is_never_answered_is_named
    hang("/never") do |pid, from|
      wait_for(/Thread main of process #{pid} is not blocked: its event loop takes events/, from)
      wait_for(%r{^App #{pid} output:     in work for [\d.]+ s: GET /never}, from)
    end
  end

  def test_a_system_call_that_does_not_end_is_told
    hang("/sleep") do |pid, from|
      wait_for(/#{pid}, whose event loop is blocked, runs no JavaScript/, from)
    end
  end

  private

  # The instance has a second to write. On a machine that stalls it may take longer.
  def hang(path)
    in_one_of(3) do
      pid = eventually("an instance") { client.pid("/") }
      from = server.log.position
      assert_status 504, client.get(path)
      server.log.wait_for(/event=instance.hung .*pid=#{pid} /, from: from)
      yield pid, from
    end
  end

  def wait_for(pattern, from)
    server.log.wait_for(pattern, from: from, within: 10)
  end
end
