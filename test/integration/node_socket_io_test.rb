# frozen_string_literal: true

require "json"
require "open3"

require_relative "support/integration_test"

# socket.io by long polling, and event streams of the same application: in one process by default,
# and in several with sticky sessions.
class NodeSocketIoTest < IntegrationTest
  CLIENTS = 200
  STREAMS = 300
  MPM = "StartServers 2\nServerLimit 8\nThreadsPerChild 64\nMaxRequestWorkers 512\n" \
        "MaxConnectionsPerChild 0\n"

  APP = <<~'JS'
    const streams = new Set();
    const server = require("http").createServer((request, response) => {
        if (request.url !== "/stream") {
            response.end(String(streams.size));
            return;
        }
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        response.write("data: begun\n\n");
        streams.add(response);
        response.on("close", () => streams.delete(response));
    });
    const io = new (require("socket.io").Server)(server);
    io.on("connection", (socket) => {
        socket.emit("welcome", process.pid);
        socket.on("say", (text) => {
            io.emit("heard", text);
            streams.forEach((stream) => stream.end(`data: ${text}\n\n`));
        });
    });
    server.listen(3000);
  JS

  # Each client polls, with a cookie jar of its own. Once all are there, one client of each process
  # speaks. Prints which processes have welcomed them, how many heard it, and what failed.
  TALK = <<~'JS'
    const dns = require("dns");
    const { io } = require("socket.io-client");
    const [url, count] = process.argv.slice(2);
    const here = { address: "127.0.0.1", family: 4 };
    dns.lookup = (_name, options, found) => {
        options.all ? found(null, [here]) : found(null, here.address, here.family);
    };
    const seen = { pids: new Set(), heard: 0, errors: [] };
    const speakers = [];
    let welcomed = 0;
    function finish() {
        console.log(JSON.stringify({ ...seen, pids: [...seen.pids] }));
        process.exit();
    }
    function fail(message) {
        seen.errors.push(message);
        finish();
    }
    const options = { transports: ["polling"], withCredentials: true, reconnection: false,
        forceNew: true };
    const sockets = Array.from({ length: Number(count) }, () => {
        const socket = io(url, options);
        socket.on("connect_error", (error) => fail(error.message));
        socket.on("disconnect", fail);
        socket.on("heard", () => {
            if (++seen.heard === sockets.length) {
                finish();
            }
        });
        socket.on("welcome", (pid) => {
            if (!seen.pids.has(pid)) {
                seen.pids.add(pid);
                speakers.push(socket);
            }
            if (++welcomed === sockets.length) {
                speakers.forEach((one) => one.emit("say", "hello"));
            }
        });
        return socket;
    });
    setTimeout(() => fail("no end in 100 seconds"), 100000);
  JS

  INSTALL = %w[npm install --no-audit --no-fund socket.io@4 socket.io-client@4].freeze

  class << self
    # Why socket.io cannot be tried, or nil.
    attr_reader :problem

    def folder
      @folder ||= SampleApps.written(APP, "app.js").tap do |folder|
        File.write(File.join(folder, "talk.js"), TALK)
        output, status = Open3.capture2e(*INSTALL, "--prefix", folder)
        @problem = "npm cannot install socket.io: #{output}" unless status.success?
        TestEnvironment.hand_over(folder)
      end
    rescue Errno::ENOENT
      @problem = "there is no npm"
      @folder = SampleApps.written(APP, "app.js")
    end
  end

  serve do |made|
    made.mpm = "event"
    made.mpm_settings = MPM
    made.set("PassengerMaxPoolSize", 6)
    made.site("one.test", folder, "PassengerAppGroupName one\n")
    made.site("sticky.test", folder,
              "PassengerAppGroupName sticky\nPassengerMinInstances 3\n" \
              "PassengerStickySessions On\n" \
              "PassengerStickySessionsCookieAttributes SameSite=Lax\n")
  end

  def setup
    server
    skip self.class.problem if self.class.problem
  end

  def test_all_clients_and_streams_of_one_process_get_a_broadcast
    client("one.test").get("/")
    streams = open_streams("one.test")
    eventually("all streams") { client("one.test").get("/").body == STREAMS.to_s }
    seen = talk("one.test")
    assert_equal [1, CLIENTS], [seen["pids"].size, seen["heard"]]
    assert_equal ["data: begun\n\ndata: hello\n\n"], streams.map { |one| one.response.body }.uniq
    assert_equal 1, server.log.text.scan(/event=instance\.started app="one"/).size
  ensure
    streams&.each(&:close)
  end

  def test_with_sticky_sessions_polling_works_in_several_processes
    eventually("three processes") { started("sticky") >= 3 }
    streams = open_streams("sticky.test").each(&:read_head)
    seen = talk("sticky.test")
    assert_operator seen["pids"].size, :>, 1
    assert_equal CLIENTS, seen["heard"]
  ensure
    streams&.each(&:close)
  end

  private

  def open_streams(site)
    Array.new(STREAMS) do
      server.raw(site, timeout: 120).request("GET", "/stream", "Connection" => "close")
    end
  end

  def talk(site)
    talk = File.join(self.class.folder, "talk.js")
    arguments = ["http://#{site}:#{server.port}", CLIENTS.to_s]
    output, errors, status = Open3.capture3("node", talk, *arguments)
    assert status.success?, errors
    JSON.parse(output).tap { |seen| assert_empty seen["errors"] }
  end

  def started(app)
    client("#{app}.test").get("/")
    server.log.text.scan(/event=instance\.started app="#{app}"/).size
  end
end
