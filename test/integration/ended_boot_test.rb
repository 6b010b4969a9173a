# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/slow_boots"

# A signal from outside ends the process that loads an application. It is no failure of the
# application, whatever the language: the next attempt serves the request.
class EndedBootTest < IntegrationTest
  include SlowBoots

  PYTHON = "PassengerPython /usr/bin/python3\n"
  COMMAND = "PassengerAppStartCommand \"/usr/bin/python3 server.py\"\n"
  WSGI = <<~PYTHON
    import os, time
    with open("boots", "a") as boots:
        boots.write("%d\\n" % os.getpid())
    while not os.path.exists("go_on"):
        time.sleep(0.02)
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"served"]
  PYTHON
  # By name: startup file, text, directives.
  APPLICATIONS = {
    "ruby" => ["config.ru", RUBY, ""],
    "python" => ["passenger_wsgi.py", WSGI, PYTHON],
    "node" => ["app.js", <<~JAVASCRIPT, ""],
      const fs = require("fs");
      fs.appendFileSync("boots", `${process.pid}\\n`);
      const timer = setInterval(() => {
          if (fs.existsSync("go_on")) {
              clearInterval(timer);
              require("http").createServer((_, response) => response.end("served")).listen(3000);
          }
      }, 20);
    JAVASCRIPT
    "command" => ["server.py", <<~PYTHON, COMMAND]
      #{WSGI}
      from wsgiref.simple_server import make_server
      make_server("127.0.0.1", int(os.environ["PORT"]), application).serve_forever()
    PYTHON
  }.freeze
  # An application whose own handler ends it in order.
  ORDERLY = {
    "handler" => ["app.js", <<~JAVASCRIPT, ""],
      process.on("SIGTERM", () => process.exit(0));
      #{APPLICATIONS["node"][1]}
    JAVASCRIPT
    "abrupt" => ["config.ru", "trap(:TERM) { exit!(0) }\n#{RUBY}", ""]
  }.freeze
  SIGNALS = %w[TERM INT KILL].freeze
  CASES = (%w[ruby python].product(SIGNALS, %w[smart direct]) +
           ["node"].product(SIGNALS, ["direct"]) +
           # A program ends as it likes at SIGINT.
           ["command"].product(%w[TERM KILL], ["direct"]) +
           [%w[handler TERM direct], %w[abrupt TERM smart], %w[abrupt TERM direct]]).freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", CASES.size)
    CASES.each do |name, signal, spawns|
      file, text, directives = APPLICATIONS[name] || ORDERLY[name]
      made.site("#{name}.#{signal.downcase}.#{spawns}.test", SampleApps.written(text, file),
                "#{directives}PassengerSpawnMethod #{spawns}\n")
    end
  end

  def test_a_signal_to_a_process_that_loads_an_application_fails_no_request
    CASES.each do |name, signal, spawns|
      site = "#{name}.#{signal.downcase}.#{spawns}.test"
      assert_served(site) { |boot| Process.kill(signal, boot) }
      assert_equal 2, boots(site).size, site
    end
  end
end
