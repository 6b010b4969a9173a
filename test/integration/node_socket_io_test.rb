# frozen_string_literal: true

require "json"
require "open3"

require_relative "support/integration_test"

# socket.io by long polling: in one process by default, and in several with sticky sessions.
class NodeSocketIoTest < IntegrationTest
  CLIENTS = 40
  MPM = "StartServers 2\nServerLimit 8\nThreadsPerChild 32\nMaxRequestWorkers 256\n" \
        "MaxConnectionsPerChild 0\n"

  APP = <<~'JS'
    const server = require("http").createServer((request, response) => response.end("here"));
    const io = new (require("socket.io").Server)(server);
    io.on("connection", (socket) => {
        socket.emit("welcome", process.pid);
        socket.on("say", (text, done) => {
            io.emit("heard", text);
            done(process.pid);
        });
    });
    server.listen(3000);
  JS

  # Each client polls, with a cookie jar of its own, and speaks once all are there. Prints which
  # processes have welcomed them, how often they heard something, and what failed.
  TALK = <<~'JS'
    const dns = require("dns");
    const { io } = require("socket.io-client");
    const [url, count, expected] = process.argv.slice(2);
    const here = { address: "127.0.0.1", family: 4 };
    dns.lookup = (_name, options, found) => {
        options.all ? found(null, [here]) : found(null, here.address, here.family);
    };
    const seen = { pids: new Set(), heard: 0, errors: [] };
    let welcomed = 0;
    let spoken = 0;
    function finish() {
        console.log(JSON.stringify({ ...seen, pids: [...seen.pids] }));
        process.exit();
    }
    function fail(message) {
        seen.errors.push(message);
        finish();
    }
    function check() {
        if (spoken === sockets.length && seen.heard >= Number(expected)) {
            finish();
        }
    }
    const options = { transports: ["polling"], withCredentials: true, reconnection: false,
        forceNew: true };
    const sockets = Array.from({ length: Number(count) }, () => {
        const socket = io(url, options);
        socket.on("connect_error", (error) => fail(error.message));
        socket.on("disconnect", fail);
        socket.on("heard", () => {
            seen.heard++;
            check();
        });
        socket.on("welcome", (pid) => {
            seen.pids.add(pid);
            if (++welcomed === sockets.length) {
                sockets.forEach((one) => one.emit("say", "hello", () => {
                    spoken++;
                    check();
                }));
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

  def test_all_clients_of_one_process_hear_each_other
    all = CLIENTS * CLIENTS
    seen = talk("one.test", all)
    assert_equal [1, all], [seen["pids"].size, seen["heard"]]
  end

  def test_with_sticky_sessions_polling_works_in_several_processes
    eventually("three processes") { started("sticky") >= 3 }
    assert_operator talk("sticky.test", 0)["pids"].size, :>, 1
  end

  private

  # @param heard how often they are to hear something, in all
  def talk(site, heard)
    client(site).get("/")
    talk = File.join(self.class.folder, "talk.js")
    arguments = ["http://#{site}:#{server.port}", CLIENTS.to_s, heard.to_s]
    output, errors, status = Open3.capture3("node", talk, *arguments)
    assert status.success?, errors
    JSON.parse(output).tap { |seen| assert_empty seen["errors"] }
  end

  def started(app)
    client("#{app}.test").get("/")
    server.log.text.scan(/event=instance\.started app="#{app}"/).size
  end
end
