# frozen_string_literal: true

require_relative "support/made_users"
require_relative "support/troubleshooting"

# Commands and logs that show nothing:
# doc/TROUBLESHOOTING.md#commands-find-no-agent
# doc/TROUBLESHOOTING.md#the-log-has-nothing
class TroubleshootingCommandsTest < TroubleshootingTest
  PRINTING = <<~RUBY
    $stdout.sync = true
    run proc { |env| puts "printed \#{env['PATH_INFO']}"; [200, {}, ['served']] }
  RUBY

  # Prints into a buffer, as Python does where standard output is no terminal.
  BUFFERED = <<~PYTHON
    import http.server, os, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            print("kept " + self.path)
            sys.stderr.write("told " + self.path + "\\n")
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"served")

        def log_message(self, *ignored):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
  PYTHON
  LINES = 100

  serve do |made|
    made.set("PassengerLogLevel", 3)
    made.main_directives << "LogLevel warn\n"
    made.site("printing.test", SampleApps.written(PRINTING))
    made.site("buffered.test", SampleApps.written(BUFFERED, "server.py"),
              "PassengerAppStartCommand \"python3 server.py\"\n")
    made.site("talkative.test", SampleApps.written(<<~RUBY), "PassengerMaxLogLinesPerSecond 1\n")
      $stdout.sync = true
      run proc { |env|
        #{LINES}.times { |number| puts "line \#{number} of \#{env['PATH_INFO']}" }
        [200, {}, ['served']]
      }
    RUBY
    made.site("limited.test", SampleApps.rack, "LimitRequestBody 1000\n")
    made.site("filed.test", SampleApps.written(<<~RUBY.gsub("\\#", "#")))
      run proc { |env|
        File.write("\#{__dir__}/tmp/production.log", "filed \#{env['PATH_INFO']}\n", mode: "a")
        [200, {}, ['served']]
      }
    RUBY
  end

  def setup
    assert_cured "printing"
  end

  # -- commands find no agent

  def test_commands_find_the_agent_in_the_configured_folder_only
    folder = SampleApps.new_folder(Dir.tmpdir)
    none = /no agent of mod_passenger is running/
    assert_fails 1, none, STATUS, "--registry-dir=#{folder}"
    server.graceful { |made| made.set("PassengerInstanceRegistryDir", "#{folder}/run") }
    eventually("the old folder is empty") { command(STATUS).last == 1 }
    assert_fails 1, none, STATUS
    assert_includes succeed(STATUS, "--registry-dir=#{folder}/run"), "App groups"
    environment = { "PASSENGER_INSTANCE_REGISTRY_DIR" => "#{folder}/run" }
    output, = Open3.capture2(environment, program(STATUS))
    assert_includes output, "App groups"
  ensure
    server.graceful { |made| made.set("PassengerInstanceRegistryDir", nil) }
    eventually("the usual folder") { command(STATUS).last.zero? }
  end

  def test_a_reload_makes_a_removed_folder_of_the_agent_anew
    FileUtils.rm_rf(JSON.parse(succeed(CONFIG, "list-instances", "--json")).first["folder"])
    assert_fails 1, /no agent of mod_passenger is running/, STATUS
    server.graceful
    eventually("the folder") { command(STATUS).last.zero? }
    logged(/event=registry\.lost/)
  end

  def test_the_agent_refuses_a_folder_to_which_others_may_write
    folder = SampleApps.new_folder(Dir.tmpdir)
    File.chmod(0o777, folder)
    server.graceful { |made| made.set("PassengerInstanceRegistryDir", folder) }
    line = logged(/event=registry\.failed/)
    remedy = line[/chmod go-w [^ ,]+/]
    assert_equal "chmod go-w #{folder}", remedy
    assert_fails 1, /no agent of mod_passenger is running/, STATUS, "--registry-dir=#{folder}"
    system(*remedy.split)
    server.graceful
    eventually("the agent") { command(STATUS, "--registry-dir=#{folder}").last.zero? }
  ensure
    server.graceful { |made| made.set("PassengerInstanceRegistryDir", nil) }
    eventually("the usual folder") { command(STATUS).last.zero? }
  end

  def test_a_user_who_owns_no_application_sees_none
    needs_root "another user"
    refute_includes succeed(STATUS, as: "games"), root("printing")
    assert_includes succeed(STATUS), root("printing")
  end

  def test_the_command_says_that_its_user_may_not_ask_the_agent
    needs_root "another user"
    control = Dir[File.join(server.folder, "run/passenger.*/control")].first
    File.chmod(0o600, control)
    assert_fails 2, /this user may not ask the agent/, STATUS, as: "games"
    assert_includes succeed(STATUS), root("printing")
  ensure
    File.chmod(0o666, control) if control
  end

  def test_several_agents
    registry = SampleApps.new_folder(Dir.tmpdir)
    made = configuration { |one| one.set("PassengerInstanceRegistryDir", registry) }
    second = HttpdServer.new(made).start
    server.graceful { |one| one.set("PassengerInstanceRegistryDir", registry) }
    option = "--registry-dir=#{registry}"
    agents = eventually("two agents") do
      list = JSON.parse(succeed(CONFIG, "list-instances", "--json", option))
      list if list.size == 2
    end
    assert_fails 1, /several agents .*are running/, STATUS, option
    name = agents.find { |agent| agent["httpd_pid"] == server.pid }["name"]
    assert_includes succeed(STATUS, option, name), root("printing")
    assert_includes succeed(CONFIG, "restart-app", "--all", option, "--instance", name),
                    root("printing")
  ensure
    assert_nothing_left second.stop if second
    second&.destroy
    server.graceful { |one| one.set("PassengerInstanceRegistryDir", nil) }
    eventually("the usual folder") { command(STATUS).last.zero? }
  end

  # -- the log has nothing

  def test_lines_go_to_the_log_file_of_the_configuration
    log = File.join(server.folder, "logs/agent.log")
    app_log = File.join(root("printing"), "tmp/app.log")
    server.graceful { |made| made.set("PassengerLogFile", log) }
    eventually("the agent's file") do
      get("printing", "/1") && File.read(log).include?("printed /1")
    end
    configure("printing", "PassengerAppLogFile #{app_log}\n")
    renew("printing") do
      get("printing", "/2")
      File.exist?(app_log) && eventually(within: 2) { File.read(app_log).include?("printed /2") }
    rescue TooLate
      false
    end
    [log, app_log].each { |file| File.rename(file, "#{file}.1") }
    succeed(CONFIG, "reopen-logs")
    eventually("the application's new file") { get("printing", "/3") && File.exist?(app_log) }
    server.graceful
    eventually("the agent's new file") { File.exist?(log) }
    server.graceful { |made| made.set("PassengerLogFile", "#{server.folder}/none/agent.log") }
    line = eventually("the refusal") { whole_log(log)[/^.*event=agent\.not_updated.*$/] }
    assert_includes line, "The log file #{server.folder}/none/agent.log cannot be opened"
    server.graceful { |made| made.set("PassengerLogFile", "#{log}.2") }
    eventually("the corrected file") { File.exist?("#{log}.2") }
  ensure
    server.graceful do |made|
      made.set("PassengerLogFile", nil)
      site("printing").directives = ""
    end
  end

  def test_lines_of_a_monitored_file_are_in_the_log
    assert_cured "filed", "served", "/1"
    file = File.join(root("filed"), "tmp/production.log")
    refute_includes server.log.text, "filed /1"
    configure("filed", "PassengerMonitorLogFile #{file}\n")
    eventually("its lines") do
      get("filed", "/2")
      server.log.text(@log_position).include?("filed /2")
    end
  end

  def test_an_applications_buffer_keeps_its_lines
    skip "needs python3" unless TestEnvironment.find_command("python3")
    assert_cured "buffered", "served", "/1"
    logged(%r{output: told /1})
    refute_match(%r{output: kept /1}, server.log.text(@log_position))
    configure("buffered", "#{site('buffered').directives}SetEnv PYTHONUNBUFFERED 1\n")
    renew("buffered") do
      get("buffered", "/2")
      logged(%r{output: told /2})
      server.log.text(@log_position).match?(%r{output: kept /2})
    end
  end

  def test_lines_beyond_the_limit_are_left_out
    assert_cured "talkative", "served", "/1"
    cut = logged(/event=output\.cut app="#{root('talkative')}/)
    assert_operator server.log.count(%r{line \d+ of /1$}, @log_position), :<, LINES
    configure("talkative", "#{cut[/directive=(\w+)/, 1]} 1000\n")
    renew("talkative") do
      before = server.log.position
      get("talkative", "/2")
      server.log.wait_for(%r{line #{LINES - 1} of /2$}, from: before)
      server.log.count(%r{line \d+ of /2$}, before) == LINES
    end
  end

  def test_the_levels_of_httpd_and_of_the_module_show_more_events
    refuse = lambda do
      raw = server.raw("printing.test").request("POST", "/", "Content-Length" => "100000")
      raw.write("x" * 50_000).abort
    end
    server.graceful do |made|
      made.set("PassengerLogLevel", 4)
      site("printing").directives = "LogLevel passenger:info\n"
    end
    eventually("the line") do
      refuse.call
      server.log.text(@log_position).match?(/event=request\.given_up/)
    end
  end

  private

  def whole_log(file)
    server.log.text(@log_position) + File.read(file)
  end
end
