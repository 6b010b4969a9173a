# frozen_string_literal: true

require_relative "made_users"

# What the tests of connections that httpd gives away share: an httpd with few threads, whose access
# log tells which connections it has given away.
module Transfers
  THREADS = 4
  # More than httpd has threads.
  MANY = 3 * THREADS
  LOG_FORMAT = "LogFormat \"%U %>s %{PASSENGER_TRANSFERRED}n\" transfers\n"
  # Bytes of the long stream at `/much`.
  MUCH = 5_000_000

  # The begin of a Node program: what it answers at these paths. `routes` takes more.
  NODE = <<~'JS'
    const fs = require("fs");
    const listening = new Set();
    let left = 0;
    const events = { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" };
    const routes = {
        "/events": (request, response) => {
            response.writeHead(200, events);
            response.write("data: welcome\n\n");
            listening.add(response);
            request.on("close", () => left++);
            response.on("close", () => listening.delete(response));
        },
        "/listening": (request, response) => response.end(String(listening.size)),
        "/tell": (request, response) => {
            listening.forEach((one) => one.write("data: news\n\n"));
            response.end(String(listening.size));
        },
        "/end": (request, response) => {
            listening.forEach((one) => one.end("data: last\n\n"));
            response.end();
        },
        "/much": (request, response) => {
            response.writeHead(200, events);
            const piece = "x".repeat(99_999) + "\n";
            let missing = MUCH / piece.length;
            const more = () => {
                while (missing > 0) {
                    missing--;
                    if (!response.write(piece)) {
                        response.once("drain", more);
                        return;
                    }
                }
                response.end();
            };
            more();
        },
        "/slow": (request, response) => {
            response.writeHead(200, events);
            response.write("data: begun\n\n");
            const look = setInterval(() => {
                if (fs.existsSync(`${__dirname}/tmp/go`)) {
                    clearInterval(look);
                    response.end("data: ended\n\n");
                }
            }, 20);
        },
        "/pid": (request, response) => response.end(String(process.pid)),
    };
  JS
         .sub("MUCH", MUCH.to_s).freeze

  def self.set_up(made)
    made.mpm = "event"
    made.mpm_settings = "StartServers 1\nServerLimit 1\nThreadLimit #{THREADS}\n" \
                        "ThreadsPerChild #{THREADS}\nMaxRequestWorkers #{THREADS}\n" \
                        "MinSpareThreads 1\nMaxSpareThreads #{THREADS}\nMaxConnectionsPerChild 0"
    made.main_directives << LOG_FORMAT
  end

  private

  # A client of the event stream at `/events`, which has received the first event.
  def listening
    raw = server.raw.request("GET", "/events")
    head = raw.read_head
    assert_equal [200, "chunked", "close"],
                 [head.status, head["Transfer-Encoding"], head["Connection"]]
    assert_equal "data: welcome\n\n", raw.read_chunk
    raw
  end

  # The application learns of the end of an earlier test's streams after that test.
  def wait_until_nobody_listens
    eventually("the end of earlier streams") { client.get("/listening").body == "0" }
  end

  # `/tell` sends all clients an event, and `/end` the last one.
  def assert_streams_hold_no_thread
    wait_until_nobody_listens
    raws = Array.new(MANY) { listening }
    assert_equal raws.size.to_s, client.get("/tell").body
    assert_equal(["data: news\n\n"], raws.map(&:read_chunk).uniq)
    client.get("/end")
    raws.each do |raw|
      assert_equal "data: last\n\n", raw.read_chunk
      assert_empty raw.read_chunk.to_s
      assert raw.ended?
    end
  end

  def assert_a_long_stream_waits_for_its_client_and_comes_whole
    raw = server.raw.request("GET", "/much")
    sleep 0.5
    body = raw.response.body
    assert_equal [MUCH, "x" * 10, "x\n"], [body.bytesize, body[0, 10], body[-2..]]
  end

  # The application in `root` has a limit of 100 descriptors. The block opens a connection that it
  # takes over. Its user is no other test's: the kernel refuses a process to send descriptors while
  # more than its limit are on their way from all processes of the user (unix(7), ETOOMANYREFS).
  def assert_connections_beyond_half_of_the_descriptors_stay_with_httpd(root, directives = "")
    TestEnvironment.hand_over(root, MadeUsers["few"].name) if TestEnvironment.root?
    made = configuration do |one|
      one.mpm = "event"
      one.main_directives << "LogFormat \"%{PASSENGER_TRANSFERRED}n\" transferred\n"
      one.site("few.test", root, "PassengerMaxInstances 1\nPassengerMinInstances 1\n" \
                                 "CustomLog logs/access.log transferred\n#{directives}")
    end
    with_server(made) do |own|
      pid = own.client.get("/pid").body
      raws = Array.new(56) { yield own }
      assert_equal pid, own.client.get("/pid").body
      raws.each(&:close)
      log = File.join(own.folder, "logs/access.log")
      entries = { "1" => 50, "-" => 8 }
      eventually("the entries") { File.readlines(log, chomp: true).tally == entries }
    end
  end

  def wait_for_entries(*entries, in_log: "access.log")
    log = File.join(server.folder, "logs", in_log)
    eventually("the entries") { (entries - File.readlines(log, chomp: true)).empty? }
  end
end
