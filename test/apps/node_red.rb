# frozen_string_literal: true

require_relative "../integration/support/web_socket_client"

# Node-RED: its editor, a flow that is deployed, and what the flow serves.
class NodeRed < Application
  title "Node-RED"
  npm "node-red@4", "express@4"

  FLOW = [
    { id: "t", type: "tab", label: "tea" },
    { id: "i", z: "t", type: "http in", url: "/tea", method: "post", wires: [["f"]] },
    { id: "f", z: "t", type: "function", wires: [["o"]],
      func: "msg.payload = { cups: msg.payload.cups * 2 }; return msg;" },
    { id: "o", z: "t", type: "http response", statusCode: "201", wires: [] }
  ].freeze

  check "the editor is there" do
    assert_includes assert_status(200, browser.get("/")).body, "Node-RED"
    assert_status 200, browser.get("/red/red.min.js")
    assert_operator browser.json("/nodes", "Accept" => "application/json").size, :>, 20
  end

  check "a flow is deployed and serves requests" do
    assert_status 204, browser.post_json("/flows", FLOW)
    eventually("the flow") { browser.post_json("/api/tea", { cups: 2 }).code == "201" }
    assert_equal({ "cups" => 6 }, JSON.parse(browser.post_json("/api/tea", { cups: 3 }).body))
  end

  [false, true].each do |tls|
    check "the editor hears of a deployment#{' over TLS' if tls}" do
      port = tls ? server.configuration.tls_port : server.port
      socket = WebSocketClient.new(port, Browser::SITE, "/comms", timeout: 20, tls: tls)
      socket.say(JSON.generate(subscribe: "notification/#"))
      assert_status 204, browser.post_json("/flows", FLOW)
      text = +""
      text << socket.hear until text.include?("runtime-deploy")
      socket.close
    end
  end
end
