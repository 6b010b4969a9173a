# frozen_string_literal: true

require_relative "support/integration_test"

# What a LogFormat can say about a request of an application.
class AccessLogTest < IntegrationTest
  FORMAT = "times=%{PASSENGER_QUEUE_TIME}n,%{PASSENGER_SERVICE_TIME}n,%D " \
           "pid=%{PASSENGER_PID}n path=%U"
  PYTHON = "/usr/bin/python3"
  # Each of them answers with its pid.
  RACK = <<~'RUBY'
    run proc { |env| env["PATH_INFO"] == "/exit" ? exit! : [200, {}, [Process.pid.to_s]] }
  RUBY
  WSGI = <<~PYTHON
    import os

    def application(environ, start_response):
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]
  PYTHON
  ASGI = <<~PYTHON
    import os

    async def application(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
  PYTHON
  NODE = <<~'JS'
    require("http").createServer((_, response) => response.end(String(process.pid))).listen(80);
  JS
  WRITTEN = { "ruby" => [RACK, "config.ru"], "wsgi" => [WSGI, "passenger_wsgi.py"],
              "asgi" => [ASGI, "passenger_asgi.py"], "node" => [NODE, "app.js"],
              "bridged" => [NODE, "app.js", "SetEnv PASSENGER_NATIVE off\n"] }.freeze

  serve do |made|
    made.main_directives << "LogFormat \"#{FORMAT}\" times\nCustomLog logs/access.log times\n"
    made.site("rack.test", SampleApps.rack)
    WRITTEN.each do |name, (text, file, directives)|
      made.site("#{name}.test", SampleApps.written(text, file),
                "PassengerPython #{PYTHON}\n#{directives}")
    end
  end

  %w[ruby wsgi asgi node].each do |name|
    define_method("test_a_request_has_the_pid_of_its_instance_of_#{name}") do
      skip_without(name)
      answer = assert_status(200, client("#{name}.test").get("/of-#{name}"))
      assert_equal answer.body, pid_of("/of-#{name}")
    end
  end

  def test_a_request_has_the_pid_of_the_bridge_of_another_application
    skip_without("node")
    answer = assert_status(200, client("bridged.test").get("/of-the-bridge"))
    pid = pid_of("/of-the-bridge")
    refute_equal answer.body, pid
    server.log.wait_for(/event=instance.started app=.* pid=#{pid} /)
  end

  def test_a_request_without_an_answer_of_an_instance_has_no_pid
    assert_status 502, client("ruby.test").post("/exit", "")
    assert_equal "-", pid_of("/exit")
  end

  def test_a_request_has_its_time_in_the_queue_and_its_time_in_the_instance_in_microseconds
    assert_status 200, server.client.get("/slow?seconds=0.2")
    queue, service, all = times_of("/slow").map { |time| Integer(time) }
    assert_operator service, :>=, 200_000
    assert_operator queue, :>=, 0
    assert_operator queue + service, :<=, all
  end

  def test_a_file_has_none
    assert_status 200, server.client.get("/static.txt")
    assert_equal %w[- -], times_of("/static.txt").first(2)
  end

  private

  def times_of(path)
    line_of(path)[/^times=(\S+)/, 1].split(",")
  end

  def pid_of(path)
    line_of(path)[/ pid=(\S+)/, 1]
  end

  def line_of(path)
    LogReader.new(File.join(server.folder, "logs/access.log"))
             .wait_for(/^times=\S+ pid=\S+ path=#{Regexp.escape(path)}$/)
  end

  def skip_without(name)
    program = { "node" => "node", "wsgi" => PYTHON, "asgi" => PYTHON }[name]
    skip "there is no #{program}" if program && !system("command -v #{program} > /dev/null")
  end
end
