# frozen_string_literal: true

require "etc"

require_relative "support/integration_test"

# Files of applications. PassengerAppLogFile receives their output; PassengerMonitorLogFile is a
# file that they write themselves.
class AppLogTest < IntegrationTest
  # The application's own log is in a folder of its own.
  SPEAKER = <<~RUBY
    require "fileutils"
    $stdout.sync = true
    puts "loaded"
    log = File.expand_path("../log/own.log", __FILE__)
    FileUtils.mkdir_p(File.dirname(log))
    run proc { |env|
      text = env["QUERY_STRING"]
      env["PATH_INFO"] == "/log" ? File.write(log, "\#{text}\\n", mode: "a") : puts(text)
      [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    }
  RUBY

  def setup
    @app = SampleApps.written(SPEAKER)
    FileUtils.mkdir_p(File.join(@app, "log"))
    TestEnvironment.hand_over(@app)
    @own = File.join(@app, "log/own.log")
  end

  def test_the_applications_output_is_in_its_file_and_not_in_the_agents_log
    file = File.join(@app, "log/out.log")
    serving("PassengerAppLogFile #{file}\n") do |server|
      pid = server.client.get("/print?unmistakable").body
      LogReader.new(file).wait_for(/\AApp #{pid} output: unmistakable$/)
      LogReader.new(file).wait_for(/output: loaded/)
      refute_match(/output: (unmistakable|loaded)/, server.log.text)
      assert_equal 0o640, File.stat(file).mode & 0o777
      assert_equal TestEnvironment.web_user, Etc.getpwuid(File.stat(file).uid).name
    end
  end

  def test_a_graceful_reload_opens_the_log_file_again
    file = File.join(@app, "log/out.log")
    serving("PassengerAppLogFile #{file}\n") do |server|
      server.client.get("/print?before")
      LogReader.new(file).wait_for(/before/)
      File.rename(file, "#{file}.1")
      server.client.get("/print?between")
      LogReader.new("#{file}.1").wait_for(/between/)
      server.graceful
      # The agent gets the new settings a moment later.
      eventually("the file") { server.client.get("/print?soon") && File.exist?(file) }
      server.client.get("/print?after")
      LogReader.new(file).wait_for(/after/)
      refute_match(/after/, File.read("#{file}.1"))
    end
  end

  # Its startup file shows the application's user. The configuration before the last one counts no
  # more.
  def test_the_log_file_is_opened_again_after_reloads_that_change_the_startup_file
    needs_root("applications have users of their own")
    %w[first.ru other.ru].each { |name| File.write(File.join(@app, name), SPEAKER) }
    TestEnvironment.hand_over(@app)
    file = File.join(@app, "log/out.log")
    directives = "PassengerAppLogFile #{file}\nPassengerStartupFile first.ru\n"
    serving(directives) do |server|
      pid = server.client.get("/print?begin").body
      LogReader.new(file).wait_for(/begin/)
      [80, 81].each do |seconds|
        File.rename(file, "#{file}.#{seconds}")
        later = "#{directives.sub("first", "other")}PassengerStartTimeout #{seconds}\n"
        server.graceful { |made| made.sites.first.directives.replace(later) }
        eventually("the file") { server.client.get("/print?#{seconds}") && File.exist?(file) }
        LogReader.new(file).wait_for(/output: #{seconds}/)
      end
      assert_equal pid, server.client.get("/print?end").body
    end
  end

  def test_the_last_lines_of_all_instances_are_in_the_log_file_when_httpd_stops
    File.write(File.join(@app, "config.ru"),
               "at_exit { 50.times { |i| puts \"last \#{i}\" } }\n", mode: "a")
    file = File.join(@app, "log/out.log")
    main = "PassengerMinInstances 4\nPassengerSpawnMethod direct\n"
    serving("PassengerAppLogFile #{file}\n", main) do |server|
      server.client.get("/print?begin")
      # One that has loaded, but does not serve yet, is killed.
      eventually("four instances") { server.log.count(/event=instance\.started/) >= 4 }
      server.stop
      assert_equal 200, File.read(file).scan(/output: last \d+$/).size
    end
  end

  def test_lines_of_the_log_file_have_no_prefix_if_prefixes_are_turned_off
    file = File.join(@app, "log/out.log")
    serving("PassengerAppLogFile #{file}\n", "PassengerDisableLogPrefix on\n") do |server|
      server.client.get("/print?bare")
      LogReader.new(file).wait_for(/\Abare$/)
    end
  end

  def test_the_application_can_read_its_file_in_a_folder_of_root
    needs_root("only root has such folders")
    folder = Dir.mktmpdir("roots-", "/root")
    file = File.join(folder, "out.log")
    serving("PassengerAppLogFile #{file}\n") do |server|
      server.client.get("/print?unmistakable")
      LogReader.new(file).wait_for(/unmistakable/)
      assert_equal TestEnvironment.web_user, Etc.getpwuid(File.stat(file).uid).name
    end
  ensure
    FileUtils.rm_rf(folder) if folder
  end

  def test_a_link_that_the_applications_user_has_made_is_not_followed
    needs_root("there is another user's file to be protected")
    victim = File.join(SampleApps.new_folder, "victim")
    File.write(victim, "untouched\n")
    File.chmod(0o600, victim)
    file = File.join(@app, "log/out.log")
    File.symlink(victim, file)
    serving("PassengerAppLogFile #{file}\n") do |server|
      server.client.get("/print?unmistakable")
      rights = "with the rights of user #{TestEnvironment::WEB_USER}"
      server.log.wait_for(/event=app_log\.failed error=".*out\.log \(#{rights}/)
      server.log.wait_for(/output: unmistakable/)
      assert_equal "untouched\n", File.read(victim)
    end
  end

  def test_a_missing_folder_is_logged_and_the_lines_are_in_the_agents_log
    file = File.join(@app, "missing/out.log")
    serving("PassengerAppLogFile #{file}\n") do |server|
      server.client.get("/print?unmistakable")
      missing = /No such file or directory.*the application's lines are in this log/
      server.log.wait_for(/event=app_log\.failed .*#{missing}/)
      server.log.wait_for(/output: unmistakable/)
      FileUtils.mkdir_p(File.dirname(file))
      TestEnvironment.hand_over(File.dirname(file))
      server.graceful
      eventually("its lines") do
        server.client.get("/print?mended") && LogReader.new(file).text.include?("mended")
      end
    end
  end

  def test_new_lines_of_a_monitored_file_are_in_the_agents_log
    File.write(@own, "old\n")
    TestEnvironment.hand_over(@own)
    serving("PassengerMonitorLogFile #{@own}\n") do |server|
      await_monitor(server)
      say(server, "first")
      File.rename(@own, "#{@own}.1")
      say(server, "renamed")
      File.truncate(@own, 0)
      # Shorter than the content before; otherwise the cut does not show.
      say(server, "cut")
      refute_match(/App log .*: old/, server.log.text)
      assert_equal 1, server.log.count(/App log .*: first/)
    end
  end

  def test_several_files_are_monitored_and_one_that_comes_later_too
    later = File.join(@app, "log/later.log")
    serving("PassengerMonitorLogFile #{@own}\nPassengerMonitorLogFile #{later}\n") do |server|
      await_monitor(server)
      File.write(later, "from the beginning\n")
      TestEnvironment.hand_over(later)
      server.log.wait_for(/App log #{later}: from the beginning/)
    end
  end

  def test_a_file_is_monitored_no_more_without_the_directive_or_instances
    serving("PassengerMonitorLogFile #{@own}\n") do |server|
      await_monitor(server)
      server.graceful { |made| made.sites.first.directives.replace("") }
      # A child that is about to end may still take a request, which does not bring the new
      # settings.
      eventually("nobody has it open") { server.client.get("/print?x") && readers(server).empty? }
    end
    serving("PassengerMonitorLogFile #{@own}\nPassengerMinInstances 0\n",
            "PassengerPoolIdleTime 1\n") do |server|
      await_monitor(server)
      eventually("nobody has it open") { readers(server).empty? }
    end
  end

  def test_a_file_that_the_applications_user_may_not_read_is_not_copied
    needs_root("there is another user's file to be protected")
    secret = File.join(SampleApps.new_folder, "secret")
    File.write(secret, "before\n")
    File.chmod(0o600, secret)
    File.symlink(secret, @own)
    serving("PassengerMonitorLogFile #{@own}\n") do |server|
      server.client.get("/print?x")
      server.log.wait_for(/event=monitor\.failed error=".*own\.log \(with the rights of user/)
      File.write(secret, "after\n", mode: "a")
      server.client.get("/print?y")
      sleep 1.2
      refute_match(/App log/, server.log.text)
    end
  end

  private

  def serving(directives, main = "")
    made = configuration do |one|
      one.site("speaker.test", @app, +directives)
      one.main_directives << main
    end
    with_server(made) { |server| yield server }
  end

  # The monitor may begin a moment after the instance: lines from before are not read.
  def await_monitor(server)
    eventually("the monitor", every: 0.1) do
      server.client.get("/log?probe") && server.log.text.match?(/App log #{@own}: probe$/)
    end
  end

  def say(server, text)
    server.client.get("/log?#{text}")
    server.log.wait_for(/App log #{@own}: #{text}$/)
  end

  # Processes that have the file open.
  def readers(server)
    server.tree.processes.select { |process| process.descriptors.each_value.any?(@own) }
  end
end
