# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/integration_test"

# PassengerPriorityQueue: a request of high priority is served before all that wait, and gets a
# place where the queue is full for others; and those others have their turn. The priority comes
# from the request's method, a header, a variable of SetEnvIf, or its path.
class PriorityQueueTest < IntegrationTest
  SIZE = 8
  HIGH = { "method" => [:post, "/"], "path" => [:get, "/pay"],
           "header" => [:get, "/", { "X-Tier" => "gold" }],
           "variable" => [:get, "/", { "X-Api-Key" => "gold-1" }] }.freeze
  # The place of each answer among all. Nothing is answered before there is a file "gate".
  RACK = <<~APP
    count = 0
    run(lambda do |_env|
      sleep 0.02 until File.exist?(File.join(__dir__, "gate"))
      [200, {}, [(count += 1).to_s]]
    end)
  APP
  WSGI = <<~APP
    import os.path
    import time

    _gate = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gate")
    _count = 0

    def application(environ, start_response):
        global _count
        while not os.path.exists(_gate):
            time.sleep(0.02)
        _count += 1
        start_response("200 OK", [])
        return [str(_count).encode()]
  APP
  ASGI = <<~APP
    import asyncio
    import os.path

    _gate = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gate")
    _count = 0

    async def application(scope, receive, send):
        global _count
        if scope["type"] != "http":
            return
        while not os.path.exists(_gate):
            await asyncio.sleep(0.02)
        _count += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(_count).encode()})
  APP
  NODE = <<~APP
    const fs = require("fs");
    let count = 0;
    require("http").createServer((request, response) => {
        const look = () => {
            const open = fs.existsSync(`${__dirname}/gate`);
            open ? response.end(String(++count)) : setTimeout(look, 20);
        };
        look();
    }).listen(process.env.PORT || 3000);
  APP
  KINDS = { "rack" => [RACK, "config.ru"], "wsgi" => [WSGI, "passenger_wsgi.py"],
            "asgi" => [ASGI, "passenger_asgi.py"], "node" => [NODE, "app.js"],
            "command" => [NODE, "server.js",
                          'PassengerAppStartCommand "exec node server.js"'] }.freeze
  APPS = KINDS.to_h { |kind, (text, file)| [kind, SampleApps.written(text, file)] }
    .merge("off" => SampleApps.written(RACK)).freeze

  def self.directives(kind)
    <<~DIRECTIVES
      #{KINDS.fetch(kind, [])[2]}
      PassengerMaxInstances 1
      PassengerMinInstances 1
      PassengerForceMaxConcurrentRequestsPerProcess 1
      PassengerMaxRequestQueueSize #{SIZE}
      PassengerPriorityQueue #{kind == 'off' ? 'off' : 'on'}
      SetEnvIf X-Api-Key "^gold-" gold
      <Location /pay>
        PassengerPriority high
      </Location>
      <If "%{REQUEST_METHOD} == 'POST' || %{HTTP:X-Tier} == 'gold' || -n reqenv('gold')">
        PassengerPriority high
      </If>
    DIRECTIVES
  end

  serve do |made|
    APPS.each { |kind, root| made.site("#{kind}.test", root, directives(kind)) }
  end

  KINDS.each_key do |kind|
    define_method(:"test_requests_of_high_priority_are_served_first_by_#{kind}") do
      normal, high = places_in_a_full_queue(kind, normal: SIZE - 5, high: 5 + (SIZE / 4))
      # Node counts its looks at the queues.
      turn = kind == "node" ? 2..5 : 5..5
      assert_equal 1, high.min
      assert_includes turn, normal.min, "the others have their turn: #{[normal, high]}"
      assert_operator high.max, :<, normal.max
    end
  end

  def test_without_the_directive_requests_are_served_as_they_came
    normal, high = places_in_a_full_queue("off", normal: SIZE, high: 1)
    assert_equal [(1..SIZE).to_a, [SIZE + 1]], [normal, high]
  end

  def test_a_method_a_header_a_variable_and_a_path_give_priority
    HIGH.each_value do |request|
      waiting = fill("rack", [:get, "/"], SIZE + 1)
      refute_served("rack", [:get, "/"])
      first = fill("rack", request, 1, beside: SIZE + 1).first
      open_gate("rack")
      assert_equal places(waiting).first + 1, places([first]).first, request.inspect
    ensure
      close_gate("rack")
    end
  end

  # A fifth of the requests in flight may be others.
  def test_a_queue_full_of_high_priority_has_places_for_others
    %w[rack off].each do |kind|
      full = 1 + SIZE + (SIZE / 4)
      waiting = fill(kind, HIGH["path"], full)
      refute_served(kind, HIGH["path"])
      waiting += fill(kind, [:get, "/"], full / 4, beside: full)
      refute_served(kind, [:get, "/"])
      open_gate(kind)
      assert_equal ["200"], waiting.map { |thread| thread.value.code }.uniq
    end
  end

  # A generation has a queue of its own: those that wait go on in the next one.
  def test_a_new_version_serves_those_that_wait
    normal = fill("rack", [:get, "/"], 3)
    high = fill("rack", HIGH["path"], 3, beside: 3)
    position = server.log.position
    File.write(File.join(APPS["rack"], "tmp/restart.txt"), "")
    server.log.wait_for(/event=app.restart app="#{APPS['rack']}/, from: position)
    open_gate("rack")
    assert_equal ["200"], (normal + high).map { |thread| thread.value.code }.uniq
    # Other tests count the requests of one instance.
    server.log.wait_for(/event=instance.started app="#{APPS['rack']}/, from: position)
  ensure
    close_gate("rack")
  end

  def setup
    APPS.each_key { |kind| close_gate(kind) }
  end

  private

  # The places of those of normal and of high priority behind the one that runs. The queue is full
  # for further ones of normal priority.
  def places_in_a_full_queue(kind, normal:, high:)
    waiting = fill(kind, [:get, "/"], 1 + normal)
    first = fill(kind, HIGH["method"], high, beside: 1 + normal)
    refute_served(kind, [:get, "/"])
    open_gate(kind)
    running, *rest = places(waiting)
    [rest, places(first)].map { |all| all.map { |place| place - running } }
  end

  def places(requests)
    requests.map { |thread| Integer(thread.value.body) }.sort
  end

  # So many requests in flight, beside others. The first of all runs.
  def fill(kind, request, count, beside: 0)
    Array.new(count) do |number|
      ask(kind, request).tap do
        eventually("a request in flight") do
          running, waiting = in_flight(kind)
          running == 1 && waiting == beside + number
        end
      end
    end
  end

  def ask(kind, request)
    Thread.new { client("#{kind}.test").public_send(*with_body(request)) }
  end

  def with_body(request)
    method, path, headers = request
    method == :post ? [method, path, "", headers || {}] : [method, path, headers || {}]
  end

  def refute_served(kind, request)
    assert_status 503, ask(kind, request).value
  end

  def open_gate(kind)
    FileUtils.touch(File.join(APPS[kind], "gate"))
  end

  def close_gate(kind)
    FileUtils.rm_f(File.join(APPS[kind], "gate"))
  end

  # The requests that run, and those that wait.
  def in_flight(kind)
    app = ControlClient.in(File.join(server.folder, "run")).status["apps"]
      .find { |one| one["root"] == APPS[kind] }
    app ? [app["instances"].sum { |one| one["sessions"] }, app["queue"]["waiting"]] : [0, 0]
  end
end
