# frozen_string_literal: true

require "open3"
require_relative "support/integration_test"

# WebSockets over HTTP/2 (RFC 8441), which mod_http2 allows with H2WebSockets. Applications cannot
# take them.
class Http2WebSocketsTest < IntegrationTest
  MODULE = File.join(TestEnvironment.modules_dir, "mod_http2.so")
  NODE = system("node --version >/dev/null 2>&1")
  APP = <<~'RUBY'
    calls = 0
    run(lambda do |env|
      calls += 1
      [200, { "Content-Type" => "text/plain" }, ["#{calls} #{env["REQUEST_METHOD"]}"]]
    end)
  RUBY
  # Prints the status of an extended CONNECT, then the answer to a GET on the same connection.
  CLIENT = <<~JAVASCRIPT
    const session = require("http2").connect("http://127.0.0.1:" + process.argv[1]);
    const authority = process.argv[2];
    session.on("remoteSettings", (settings) => {
      const socket = session.request({
        ":method": "CONNECT", ":protocol": "websocket", ":path": "/cable", ":authority": authority,
        "sec-websocket-version": "13",
      });
      socket.on("response", (head) => {
        console.log(settings.enableConnectProtocol, head[":status"]);
        socket.close();
        const get = session.request({ ":path": "/", ":authority": authority });
        get.on("data", (piece) => console.log(String(piece)));
        get.on("end", () => session.destroy());
      });
    });
  JAVASCRIPT

  serve do |made|
    made.main_directives << "LoadModule http2_module #{MODULE}\nProtocols h2c http/1.1\n" \
                            "H2WebSockets on\n"
    made.site("buffered.test", SampleApps.written(APP))
    made.site("streamed.test", SampleApps.written(APP), "PassengerBufferUpload off\n")
    made.site("upgraded.test", SampleApps.written(APP))
  end

  def setup
    skip "needs mod_http2" unless File.exist?(MODULE)
    skip "mod_http2 does not do prefork" if HttpdConfiguration.new.mpm == "prefork"
    skip "needs node" unless NODE
  end

  def test_a_web_socket_over_http2_is_refused_without_a_call_of_the_application
    %w[buffered.test streamed.test].each do |site|
      position = server.log.position
      command = ["timeout", "60", "node", "-e", CLIENT, server.port.to_s, site]
      output, = Open3.capture2e(*command)
      assert_equal "true 501\n1 GET\n", output, site
      server.log.wait_for(/event=request\.failed .*status=501 .*H2WebSockets/, from: position)
    end
  end

  def test_a_request_that_begins_http2_by_an_upgrade_is_answered
    output, = Open3.capture2e("curl", "--silent", "--http2", "--header", "Host: upgraded.test",
                              "--write-out", " %{http_version} %{http_code}",
                              "http://127.0.0.1:#{server.port}/")
    assert_match(/\A\d+ GET 2 200\z/, output)
  end
end
