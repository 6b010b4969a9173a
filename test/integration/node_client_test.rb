# frozen_string_literal: true

require_relative "support/integration_test"

# What a Node application sees of the client's connection (lib/passenger/node/connections.js).
class NodeClientTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  EXPRESS = system("NODE_PATH=/usr/share/nodejs node -e 'require(\"express\")' >/dev/null 2>&1")

  PLAIN = <<~'JS'
    require("http").createServer((request, response) => {
        const { remoteAddress, remotePort, remoteFamily, encrypted } = request.socket;
        // As AdonisJS asks.
        const secure = "encrypted" in request.socket;
        const shown = { remoteAddress, remotePort, remoteFamily, encrypted, secure };
        const { headers, rawHeaders } = request;
        response.end(JSON.stringify({ ...shown, headers, rawHeaders }));
    }).listen(3000);
  JS

  UNTYPED = 'require("http").createServer((_, response) => response.end("hello")).listen(3000);'

  # What many applications do to clear up.
  CLOSING = <<~'JS'
    let closed = 0;
    let warnings = 0;
    process.on("warning", () => {
        warnings++;
    });
    require("http").createServer((request, response) => {
        request.socket.on("close", () => {
            closed++;
        });
        response.end(JSON.stringify({ closed, warnings }));
    }).listen(3000);
  JS

  # As NTLM's authentication, which holds for a connection. The client tells its name once.
  NOTING = <<~'JS'
    require("http").createServer((request, response) => {
        request.socket.who ??= request.headers["x-who"];
        response.end(request.socket.who ?? "nobody");
    }).listen(3000);
  JS

  # As Next.js, which keeps its own address so.
  OWN = <<~'JS'
    const http = require("http");
    const server = http.createServer((request, response) => {
        if (request.url === "/own") {
            response.end(JSON.stringify({ own: request.headers.cookie }));
            return;
        }
        const options = { headers: { Cookie: "a=b" } };
        http.get(`${process.env.__NEXT_PRIVATE_ORIGIN}/own`, options, (own) => own.pipe(response));
    });
    server.on("listening", () => {
        process.env.__NEXT_PRIVATE_ORIGIN = "http://localhost:1";
    });
    server.listen(1);
  JS

  # An application may give the connection an answer that it has made itself.
  MADE = <<~'JS'
    const http = require("http");
    http.createServer((request, response) => {
        if (request.url === "/proxy") {
            new Proxy(response, {}).writeHead(201, { "X-Own": "yes" });
            response.end("own Created");
            return;
        }
        response.detachSocket(request.socket);
        const own = new http.ServerResponse(request);
        const assign = () => own.assignSocket(request.socket);
        request.url === "/" && assign();
        own.on("close", () => console.log("the own answer is closed"));
        own.writeHead(201, { "X-Own": "yes" });
        own.write("own ");
        request.url === "/begun" && assign();
        setTimeout(() => own.end(own.statusMessage), 10);
    }).listen(3000);
  JS

  # As behind a proxy on the same machine, and as without any.
  PROXIED = <<~'JS'
    const express = require("express");
    const app = express();
    const trusting = express();
    trusting.set("trust proxy", "loopback");
    for (const one of [app, trusting]) {
        one.use((request, response) => {
            const { ip, ips, protocol, secure } = request;
            response.json({ ip, ips, protocol, secure });
        });
    }
    require("http").createServer((request, response) => {
        (request.url === "/trusting" ? trusting : app)(request, response);
    }).listen(3000);
  JS

  # The tests' server has no TLS; httpd's variable says that a proxy before it has.
  TLS = "SetEnvIf X-Tls on HTTPS=on\nSetEnv NODE_PATH /usr/share/nodejs\n"

  serve do |made|
    made.site("closing.test", SampleApps.written(CLOSING, "app.js"), "PassengerMaxInstances 1\n")
    made.site("noting.test", SampleApps.written(NOTING, "app.js"), "PassengerMaxInstances 1\n")
    made.site("made.test", SampleApps.written(MADE, "app.js"))
    made.site("own.test", SampleApps.written(OWN, "app.js"))
    made.site("own-bridged.test", SampleApps.written(OWN, "app.js"),
              "SetEnv PASSENGER_NATIVE off\n")
    made.site("plain.test", SampleApps.written(PLAIN, "app.js"), TLS)
    made.site("plain-bridged.test", SampleApps.written(PLAIN, "app.js"),
              "#{TLS}SetEnv PASSENGER_NATIVE off\n")
    made.site("untyped.test", SampleApps.written(UNTYPED, "app.js"))
    made.site("proxied.test", SampleApps.written(PROXIED, "app.js"), TLS)
  end

  def setup
    skip "there is no node" unless NODE
  end

  # httpd knows a type for the folder, and for a file of that name.
  def test_an_answer_without_a_type_has_none
    types = %w[/ /page.html].map { |path| client("untyped.test").get(path)["Content-Type"] }
    assert_equal [nil, nil], types
  end

  def test_the_connection_is_one_of_a_proxy_on_this_machine
    seen = client("plain.test").json("/")
    assert_equal ["127.0.0.1", "IPv4", false],
                 seen.values_at("remoteAddress", "remoteFamily", "secure")
    assert_includes 1..65_535, seen["remotePort"]
  end

  def test_each_request_has_a_connection_for_listeners_of_its_end
    requests = 20
    seen = Array.new(requests) { client("closing.test").json("/") }
    # A process that has waited for a processor takes up to four requests before it closes them.
    assert_includes requests - 4..requests - 1, seen.last["closed"]
    assert_equal 0, seen.last["warnings"]
  end

  def test_what_an_application_keeps_by_a_connection_is_its_client_s
    visitors = ["visitor 0", "visitor 1", "visitor 2"]
    seen = []
    # On a busy machine a socket may end before the client's second request.
    eventually("a socket for both requests of each client") do
      notes = notes_on(visitors)
      seen |= notes.zip(visitors * 2)
      !notes.include?("nobody")
    end
    assert_empty(seen.reject { |note, visitor| ["nobody", visitor].include?(note) })
  end

  def test_next_reaches_itself_and_not_who_listens_on_the_port_that_it_has_asked_for
    %w[own.test own-bridged.test].each do |site|
      assert_equal({ "own" => "a=b" }, client(site).json("/"))
    end
  end

  def test_an_answer_that_the_application_has_made_itself_is_the_request_s
    host = { "Host" => "made.test" }
    whole = ["201", "yes", "own Created"]
    %w[/ /begun /proxy].each do |path|
      answers = client("made.test").keep_alive do |kept|
        [kept.get(path, host), kept.head(path, host), kept.get(path, host)]
      end
      seen = answers.map { |one| [one.code, one["X-Own"], one.body] }
      assert_equal [whole, ["201", "yes", nil], whole], seen, path
    end
    closed = /the own answer is closed/
    eventually("the end of each answer") { server.log.count(closed) == 6 }
  end

  def test_each_request_of_a_kept_connection_has_its_own_scheme
    %w[plain.test plain-bridged.test].each do |site|
      seen = client(site).keep_alive do |kept|
        [{}, { "X-Tls" => "on" }, {}].map do |head|
          JSON.parse(kept.get("/", { "Host" => site }.merge(head)).body)
        end
      end
      expected = [[nil, false], [true, true], [nil, false]]
      assert_equal expected, (seen.map { |one| one.values_at("encrypted", "secure") }), site
    end
  end

  def test_a_client_cannot_say_that_its_connection_is_encrypted
    forged = { "Passenger-Client" => "1 https", "X-Forwarded-Proto" => "https" }
    seen = client("plain.test").json("/", forged)
    refute seen["encrypted"]
    refute_equal 1, seen["remotePort"]
    assert_equal "1 https", seen["headers"]["passenger-client"]
  end

  def test_the_application_does_not_see_the_bridges_line
    seen = client("plain.test").json("/")
    refute_includes seen["headers"].keys, "passenger-client"
    assert_equal "Host", seen["rawHeaders"].first
  end

  def test_express_finds_the_client_and_its_scheme_with_and_without_trust_in_a_proxy
    skip "there is no Express (Debian: node-express)" unless EXPRESS
    tls = { "X-Tls" => "on", "X-Forwarded-For" => "192.0.2.7" }
    seen = %w[/ /trusting].map { |path| client("proxied.test").json(path, tls) }
    # httpd's client is on this machine, too.
    assert_equal [%w[127.0.0.1 https], %w[192.0.2.7 https]],
                 (seen.map { |one| one.values_at("ip", "protocol") })
    assert_equal [true, true], (seen.map { |one| one["secure"] })
    assert_equal "http", client("proxied.test").json("/")["protocol"]
  end

  private

  # What the application knows of each visitor at the first request, and then at the second one.
  def notes_on(visitors)
    clients = visitors.map { server.raw("noting.test") }
    clients.zip(visitors).map { |one, name| one.get("/", "X-Who" => name).body } +
      clients.map { |one| one.get("/").body }
  ensure
    clients&.each(&:close)
  end
end
