# frozen_string_literal: true

require_relative "support/integration_test"

# Uploads to an instance that has no descriptor for the file of the body.
class LostBodiesTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  # httpd keeps such a body in a file.
  SIZE = 200_000
  APP = <<~'JS'
    const server = require("http").createServer((request, response) => {
        let size = 0;
        request.on("data", (piece) => {
            size += piece.length;
        });
        request.on("end", () => response.end(`${process.pid} ${size}`));
    });
    server.keepAliveTimeout = 600000;
    server.listen(process.env.PORT);
  JS

  # One child, which has one reply channel for requests that follow each other.
  serve do |made|
    made.mpm_settings = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 4\n" \
                        "ThreadsPerChild 4\nMaxRequestWorkers 4\nMaxConnectionsPerChild 0"
    made.site("node.test", SampleApps.written(APP, "app.js"), "PassengerMaxInstances 1\n")
    made.site("bridge.test", SampleApps.written(APP, "app.js"),
              "PassengerAppStartCommand \"node app.js\"\nPassengerMaxInstances 1\n")
  end

  def setup
    skip "there is no node" unless NODE
    skip "children of prefork have a reply channel each" if ENV["TEST_MPM"] == "prefork"
  end

  def test_the_client_of_a_node_instance_gets_503
    refuse_and_serve("node.test") { |pid| ProcessInfo.new(pid) }
  end

  def test_the_client_of_an_application_behind_a_bridge_gets_503
    refuse_and_serve("bridge.test") { server.tree.matching(/\APassenger bridge: /).first }
  end

  private

  def refuse_and_serve(site)
    from = server.log.position
    process = yield upload(site).split.first.to_i
    before = soft_limit(process)
    begin
      # A bridge uses its connection to the application again within a second only. Otherwise it
      # lacks the descriptor for another one.
      eventually("an upload whose file is lost") do
        limit_descriptors(process, before)
        upload(site)
        limit_descriptors(process, first_free_number(process))
        client(site).post("/", Pattern.bytes(SIZE)).code == "503"
      end
    ensure
      limit_descriptors(process, before)
    end
    server.log.wait_for(/event=body\.not_received app=.* remedy="a higher limit of open files"/,
                        from: from)
    refute_match(/event=request\.malformed/, server.log.text(from))
    upload(site)
  end

  def upload(site)
    response = client(site).post("/", Pattern.bytes(SIZE))
    assert_equal ["200", SIZE.to_s], [response.code, response.body.split.last]
    response.body
  end

  def first_free_number(process)
    used = process.descriptors.keys
    (0..).find { |number| !used.include?(number) }
  end

  def soft_limit(process)
    IO.popen([*prlimit(process), "--nofile", "--output", "SOFT", "--noheadings", "--raw"],
             &:read).to_i
  end

  def limit_descriptors(process, count)
    system(*prlimit(process), "--nofile=#{count}:", exception: true)
  end

  # Only the process's user may do that everywhere.
  def prlimit(process)
    user = TestEnvironment.web_user
    switch = ["setpriv", "--reuid=#{user}", "--regid=#{user}", "--clear-groups"]
    [*(TestEnvironment.root? ? switch : []), "prlimit", "--pid", process.pid.to_s]
  end
end
