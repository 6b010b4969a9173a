# frozen_string_literal: true

require_relative "support/integration_test"

# Requests and answers of Express have its prototypes before Express sees them, so that V8 has one
# hidden class for all of them.
class NodeExpressTest < IntegrationTest
  EXPRESS = system("NODE_PATH=/usr/share/nodejs node -e 'require(\"express\")' >/dev/null 2>&1")

  # `early`: the prototypes that somebody sees who watches all events, as an agent for monitoring.
  APP = <<~'JS'
    const express = require("express");
    const http = require("http");
    const v8 = require("v8");

    v8.setFlagsFromString("--allow-natives-syntax");
    const haveSameMap = new Function("one", "other", "return %HaveSameMap(one, other)");
    const app = express();
    let early = [];
    const { emit } = http.Server.prototype;
    http.Server.prototype.emit = function (name, request, response) {
        if (name === "request") {
            early = [Object.getPrototypeOf(request) === app.request,
                Object.getPrototypeOf(response) === app.response];
        }
        return emit.apply(this, arguments);
    };
    const waiting = [];
    app.get("/pair", (request, response) => {
        waiting.push(response);
        if (waiting.length === 2) {
            const same = haveSameMap(...waiting) && haveSameMap(...waiting.map((one) => one.req));
            waiting.splice(0).forEach((one) => one.json(same));
        }
    });
    app.post("/echo", express.json(),
        (request, response) => response.status(201).json(request.body));
    app.use((request, response) => {
        const { path, query, ip, fresh, hostname } = request;
        response.set("X-Own", "1").json({ early, path, query, ip, fresh, hostname });
    });
    class Own extends http.IncomingMessage {}
    // As engine.io attaches itself.
    function wrap(server) {
        const listeners = server.listeners("request").slice(0);
        server.removeAllListeners("request");
        return server.on("request", (request, response) => {
            if (request.url.startsWith("/socket.io/")) {
                request.ip = "own";
                response.end(request.ip);
            } else {
                listeners.forEach((one) => one.call(server, request, response));
            }
        });
    }
    const variants = {
        listen: () => app,
        created: () => http.createServer({ keepAlive: true }, app),
        own: () => http.createServer({ IncomingMessage: Own }, app),
        tls: () => require("https").createServer(app),
        wrapped: () => wrap(http.createServer(app)),
    };
    variants[process.env.VARIANT]().listen(3000);
  JS

  ADOPTED = %w[listen created tls].freeze

  def self.folder
    @folder ||= SampleApps.written(APP, "app.js")
  end

  def self.add(made, name, variant, settings = "")
    made.site("#{name}.test", folder,
              "PassengerAppGroupName #{name}\nPassengerMaxInstances 1\n" \
              "SetEnv VARIANT #{variant}\nSetEnv NODE_PATH /usr/share/nodejs\n#{settings}")
  end

  serve do |made|
    made.set("PassengerMaxPoolSize", 8)
    if EXPRESS
      (ADOPTED + %w[own wrapped]).each { |variant| add(made, variant, variant) }
      add(made, "bridged", "created", "SetEnv PASSENGER_NATIVE off\n")
    end
  end

  def setup
    skip "there is no Express (Debian: node-express)" unless EXPRESS
  end

  def test_requests_have_the_prototypes_of_express_from_the_beginning
    (ADOPTED + ["bridged"]).each do |name|
      assert_equal [true, true], client("#{name}.test").json("/")["early"], name
    end
  end

  def test_all_requests_have_the_same_hidden_class
    (ADOPTED + ["bridged"]).each do |name|
      # V8 takes back what room objects do not need when it has made some.
      20.times { client("#{name}.test").get("/") }
      answers = Array.new(2) { Thread.new { client("#{name}.test").get("/pair").body } }
        .map(&:value)
      assert_equal %w[true true], answers, name
    end
  end

  def test_classes_of_the_application_stay
    assert_equal [false, false], client("own.test").json("/")["early"]
  end

  # As handlers of socket.io do, for which Express has getters only.
  def test_a_listener_in_place_of_the_application_may_assign_what_express_reads
    assert_equal [false, false], client("wrapped.test").json("/")["early"]
    assert_equal "own", client("wrapped.test").get("/socket.io/?EIO=4").body
  end

  def test_requests_and_answers_are_those_of_express
    %w[listen own bridged].each do |name|
      one = client("#{name}.test")
      answer = one.json("/a/b?c=d&e[]=1")
      assert_equal ["/a/b", { "c" => "d", "e" => ["1"] }, "127.0.0.1", false, "#{name}.test"],
                   answer.values_at("path", "query", "ip", "fresh", "hostname")
      echo = one.post("/echo", '{"a":1}', "Content-Type" => "application/json")
      assert_equal ["201", '{"a":1}'], [echo.code, echo.body]
      assert_match(/\AExpress/, echo["X-Powered-By"])
      etag = one.get("/pair/none")["ETag"]
      assert_status 304, one.get("/pair/none", "If-None-Match" => etag)
      assert_empty one.head("/").body.to_s
    end
  end
end
