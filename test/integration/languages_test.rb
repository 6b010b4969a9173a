# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/runs_pure"
require_relative "support/steady_load"

# One table of applications, and one of events that fail no request, whatever the language.
class LanguagesTest < IntegrationTest
  include CommandRunner

  POOL = /passenger-agent\S* pool/.freeze
  WATCHDOG = /passenger-agent\S* watchdog/.freeze
  PYTHON = "PassengerPython /usr/bin/python3\n"

  # A language's startup file, directives, and programs that answer "VERSION PID" or do not start.
  Language = Struct.new(:file, :directives, :text, :broken, keyword_init: true) do
    def site
      "#{'pure-' if directives.include?(RunsPure::PURE)}#{File.basename(file).tr('._', '--')}.test"
    end

    def without_native_code
      dup.tap { |pure| pure.directives += RunsPure::PURE }
    end
  end

  RUBY = Language.new(file: "config.ru", directives: "", broken: "raise 'broken'\n",
                      text: <<~'RUBY')
    run ->(_) { [200, {}, ["VERSION #{Process.pid}"]] }
  RUBY
  WSGI = Language.new(file: "passenger_wsgi.py", directives: PYTHON, broken: "import nothing\n",
                      text: <<~'PYTHON')
    import os
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"VERSION %d" % os.getpid()]
  PYTHON
  ASGI = Language.new(file: "passenger_asgi.py", directives: PYTHON, broken: "import nothing\n",
                      text: <<~'PYTHON')
    import os
    async def application(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"VERSION %d" % os.getpid()})
  PYTHON
  NODE = Language.new(file: "app.js", directives: "", broken: "throw new Error('broken')\n",
                      text: <<~'JAVASCRIPT')
    require("http").createServer((request, response) => response.end(`VERSION ${process.pid}`))
      .listen(3000);
  JAVASCRIPT
  COMMAND = Language.new(file: "server.py", broken: "import nothing\n", text: <<~'PYTHON',
    import http.server, os
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            body = b"VERSION %d" % os.getpid()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_):
            pass
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
  PYTHON
                         directives: "PassengerAppStartCommand \"/usr/bin/python3 server.py\"\n")
  ALL = [RUBY, WSGI, WSGI.without_native_code, ASGI, ASGI.without_native_code, NODE,
         COMMAND].freeze

  def self.add_to(made, directives)
    made.set("PassengerMaxPoolSize", 2 * ALL.size)
    ALL.each do |language|
      made.site(language.site, SampleApps.written(language.text, language.file),
                language.directives + directives)
    end
  end

  serve { |made| add_to(made, "PassengerMaxInstances 1\n") }

  def setup
    @position = server.log.position
  end

  def test_a_reload_of_httpd_fails_no_request
    assert_no_failure do |loads|
      2.times do
        server.graceful
        loads.each { |load| load.wait_for_all("answers after the reload", count: 5) }
      end
    end
  end

  def test_a_new_version_fails_no_request
    version = unused_version
    assert_no_failure do |loads|
      ALL.each { |language| deploy(language, language.text.sub("VERSION", version)) }
      loads.each { |load| load.wait_for("the new version") { |one| one.body.start_with?(version) } }
    end
  end

  def test_a_version_that_does_not_start_fails_no_request
    assert_no_failure do |loads|
      ALL.each { |language| deploy(language, language.broken) }
      ALL.each { |language| server.log.wait_for(failure_of(language), from: @position, within: 60) }
      loads.each { |load| load.wait_for_all("answers after the failure", count: 5) }
      version = unused_version
      ALL.each { |language| deploy(language, language.text.sub("VERSION", version)) }
      loads.each { |load| load.wait_for("the next version") { |one| one.body.start_with? version } }
    end
  end

  def test_the_death_of_the_pool_process_fails_no_request_and_ends_no_instance
    assert_death_unnoticed(POOL)
  end

  def test_the_death_of_the_watchdog_fails_no_request_and_ends_no_instance
    assert_death_unnoticed(WATCHDOG)
  end

  # The agent gives a request that has no answer to another instance: it is a GET.
  def test_the_death_of_an_instance_fails_no_request
    assert_no_failure do |loads|
      ALL.zip(loads) do |language, load|
        pid = client(language.site).get("/").body.split.last
        Process.kill(:KILL, pid.to_i)
        load.wait_for("another instance") { |one| one.body.split.last != pid }
      end
      loads.each { |load| load.wait_for_all("answers after the deaths", count: 5) }
    end
  end

  # Each answer names its instance.
  def test_the_status_tells_what_each_of_two_instances_has_answered
    two = "PassengerMinInstances 2\nPassengerMaxInstances 2\n"
    with_server(configuration { |made| self.class.add_to(made, two) }) do |server|
      ALL.each do |language|
        answered = answers_of_two(server.client(language.site), language)
        eventually("the counts of #{language.file}") { counts(language) == answered.tally }
        instances(language).each { |one| assert_in_delta Time.now.to_f, one["last_used"], 600 }
        shown = answered.tally.values.map(&:to_s).sort
        text = succeed(STATUS)[/^#{Regexp.escape(status(language)["name"])}:\n.*?\n\n/m]
        assert_equal shown, text.scan(/Processed: (\d+)/).flatten.sort
        assert_equal 2, text.scan(/Last used: .+ ago$/).size, text
      end
    end
  end

  private

  # The processes that gave the answers, both of them.
  def answers_of_two(client, language)
    answers = [client.get("/").body]
    eventually("two instances") { instances(language).size == 2 }
    eventually("answers of both") do
      answers.concat(Array.new(4) { Thread.new { client.get("/").body } }.map(&:value))
      answers.uniq.size == 2
    end
    answers.map { |answer| answer.split.last.to_i }
  end

  def status(language)
    apps.find { |app| app["root"] == root_on(commanded, language) }
  end

  # None: the agent's last look at its applications was before the first request.
  def instances(language)
    status(language).to_h.fetch("instances", [])
  end

  def counts(language)
    instances(language).to_h do |one|
      [one["application_pid"].zero? ? one["pid"] : one["application_pid"], one["processed"]]
    end
  end

  # Calls the block with a load for each language. All of their requests are answered.
  def assert_no_failure
    loads = ALL.map { |language| SteadyLoad.new(client(language.site), "/", 2) }
    loads.each { |load| load.wait_for("an answer") { |answer| answer.code == 200 } }
    yield loads
    ALL.zip(loads.map(&:stop)) do |language, answers|
      bad = answers.reject { |answer| answer.code == 200 }
      assert_empty bad.first(3), "#{bad.size} of #{answers.size} requests to #{language.file}"
    end
  ensure
    loads&.each(&:stop)
  end

  def assert_death_unnoticed(process)
    before = pids
    assert_no_failure do |loads|
      kill(process)
      loads.each { |load| load.wait_for_all("answers after the death", count: 5) }
    end
    assert_equal before, pids
  end

  def unused_version
    "version-#{Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)}"
  end

  def root(language)
    root_on(server, language)
  end

  def root_on(server, language)
    server.configuration.sites.find { |site| site.name == language.site }.root
  end

  def deploy(language, text)
    File.write(File.join(root(language), language.file), text)
    FileUtils.touch(File.join(root(language), "tmp/restart.txt"))
  end

  def failure_of(language)
    /event=spawn\.failed app="#{Regexp.escape(root(language))}/
  end

  # The pid of the only instance of each language.
  def pids
    ALL.map { |language| client(language.site).get("/").body.split.last }
  end

  def kill(pattern)
    process = eventually("one process") { (all = server.tree.matching(pattern)).one? && all.first }
    Process.kill(:KILL, process.pid)
    eventually("its successor") do
      server.tree.matching(pattern).find { |other| other.identity != process.identity }
    end
  end
end
