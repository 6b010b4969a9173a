# frozen_string_literal: true

require_relative "support/integration_test"

# A signal from outside ends the process that loads an application. It is no failure of the
# application, whatever the language: the next attempt serves the request.
class EndedBootTest < IntegrationTest
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
    "ruby" => ["config.ru", <<~RUBY, ""],
      File.open("boots", "a") { |file| file.puts Process.pid }
      sleep 0.02 until File.exist?("go_on")
      #{SampleApps.saying('served')}
    RUBY
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
  SIGNALS = %w[TERM INT KILL].freeze
  CASES = (%w[ruby python].product(SIGNALS, %w[smart direct]) +
           ["node"].product(SIGNALS, ["direct"]) +
           # A program ends as it likes at SIGINT.
           ["command"].product(%w[TERM KILL], ["direct"])).freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", CASES.size)
    CASES.each do |name, signal, spawns|
      file, text, directives = APPLICATIONS[name]
      made.site("#{name}.#{signal.downcase}.#{spawns}.test", SampleApps.written(text, file),
                "#{directives}PassengerSpawnMethod #{spawns}\n")
    end
  end

  def test_a_signal_to_a_process_that_loads_an_application_fails_no_request
    CASES.each do |name, signal, spawns|
      site = "#{name}.#{signal.downcase}.#{spawns}.test"
      request = Thread.new { client(site).get("/") }
      Process.kill(signal, eventually("a boot", within: 60) { boots(site).first })
      FileUtils.touch(File.join(root(site), "go_on"))
      response = request.value
      assert_equal %w[200 served], [response.code, response.body], site
      assert_equal 2, boots(site).size, site
    end
  end

  private

  def root(name)
    server.configuration.sites.find { |one| one.name == name }.root
  end

  def boots(name)
    file = File.join(root(name), "boots")
    File.exist?(file) ? File.readlines(file).map(&:to_i) : []
  end
end
