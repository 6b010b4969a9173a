# frozen_string_literal: true

require_relative "support/integration_test"

# ps and the log name the application and the process that does the work.
class TitlesTest < IntegrationTest
  NODE = "console.log('printed at load by ' + process.pid);\n" \
         "require('http').createServer((request, response) => {\n" \
         "  console.log('printed for a request');\n  response.end(String(process.pid));\n" \
         "}).listen(3000);\n"
  WSGI = "import os, sys\nprint('printed at load by %d' % os.getpid(), flush=True)\n" \
         "def application(environ, start_response):\n" \
         "    print('printed for a request', flush=True)\n" \
         "    start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n"

  serve do |made|
    made.site("node.test", SampleApps.written(NODE, "app.js"))
    made.site("python.test", SampleApps.written(WSGI, "passenger_wsgi.py"))
    # The shell stays.
    made.site("command.test", SampleApps.written(NODE.sub("3000", "process.env.PORT"), "server.js"),
              "PassengerAppStartCommand \"true && node server.js; true\"\n")
    made.site("direct.test", SampleApps.written(WSGI, "passenger_wsgi.py"),
              "PassengerSpawnMethod direct\n")
  end

  { "node" => "NodeApp", "command" => nil }.each do |site, title|
    define_method("test_the_log_has_the_pid_of_the_#{site}_application") do
      pid = client("#{site}.test").get("/").body
      if title
        server.log.wait_for(/App #{pid} output: printed at load by #{pid}$/)
      else
        server.log.wait_for(/App \d+ output: printed at load by #{pid}$/)
      end
      server.log.wait_for(/App #{pid} output: printed for a request$/)
    end

    define_method("test_the_processes_of_the_#{site}_application_have_titles") do
      pid = client("#{site}.test").get("/").body.to_i
      titles = server.tree.processes.map(&:command_line).grep(/#{root(site)}/)
      unless title
        assert_includes titles, "Passenger bridge: #{root(site)} (#{site})"
        assert_includes titles, "Passenger keeper: #{root(site)} (#{site})"
      end
      expected = title ? "Passenger #{title}: #{root(site)} (production)" : "node server.js"
      assert_title expected, pid
    end
  end

  def test_python_processes_have_titles_and_their_pids_in_the_log
    %w[python direct].each do |site|
      pid = client("#{site}.test").get("/").body.to_i
      assert_title "Passenger PythonApp: #{root(site)} (production)", pid
      server.log.wait_for(/App #{pid} output: printed for a request$/)
      server.log.wait_for(/App #{pid} output: printed at load by #{pid}$/) if site == "direct"
    end
    titles = server.tree.processes.map { |one| one.command_line.force_encoding(Encoding::UTF_8) }
    assert_equal 1, titles.grep(/\APassenger PythonPreloader: /).size, titles.inspect
  end

  private

  # A long title is cut: it has the room of the command.
  def assert_title(expected, pid)
    shown = ProcessInfo.read(pid).command_line.force_encoding(Encoding::UTF_8).strip
    assert_operator shown.size, :>=, [expected.size, 40].min
    assert_equal expected[0, shown.size], shown
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == "#{site}.test" }.root
  end
end
