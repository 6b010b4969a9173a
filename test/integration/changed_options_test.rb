# frozen_string_literal: true

require "json"

require_relative "support/command_runner"
require_relative "support/integration_test"

# A reload changes how an application is started, or where its restart files are. Its instances go
# on, and its next instance has the new values.
class ChangedOptionsTest < IntegrationTest
  include CommandRunner

  SERVER = <<~'RUBY'
    require "socket"
    listener = TCPServer.new("127.0.0.1", ENV.fetch("PORT"))
    loop do
      Thread.new(listener.accept) do |client|
        line = client.gets
        line = client.gets until [nil, "\r\n"].include?(line)
        client.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ncommand") if line
        client.close
      end
    end
  RUBY

  def test_a_start_command_that_a_reload_brings_starts_the_next_instance
    root = SampleApps.written(SampleApps.saying("rack"))
    File.write(File.join(root, "server.rb"), SERVER)
    serve(root, "rack") do |server|
      reload(server, "PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb\"\n")
      becomes(server, "command")
      reload(server, "")
      becomes(server, "rack")
    end
  end

  def test_another_startup_file_that_a_reload_names_is_loaded_by_the_next_instance
    root = SampleApps.written(SampleApps.saying("first"))
    File.write(File.join(root, "other.ru"), SampleApps.saying("other"))
    serve(root, "first") do |server|
      reload(server, "PassengerStartupFile other.ru\n")
      becomes(server, "other")
    end
  end

  def test_another_restart_folder_that_a_reload_names_is_watched
    root = SampleApps.written(SampleApps.saying("version 1"))
    shared = SampleApps.new_folder
    serve(root, "version 1") do |server|
      reload(server, "PassengerRestartDir #{shared}\n")
      in_steps(root, shared, server)
    end
  end

  def test_the_restart_file_of_an_application_that_a_reload_moves_is_watched
    old = SampleApps.written(SampleApps.saying("version 1"))
    moved = SampleApps.written(SampleApps.saying("version 1"))
    serve(old, "version 1", "PassengerAppGroupName moving\n") do |server|
      reload(server) { |one| one.sites.last.document_root = File.join(moved, "public") }
      in_steps(moved, File.join(moved, "tmp"), server)
    end
  end

  # The child of before has the old settings, and asks the next process for the queue by them.
  def test_a_request_of_before_a_reload_outlives_a_killed_process_of_the_agent
    %w[pool watchdog].each do |name|
      root = SampleApps.written(SampleApps.saying("served"))
      serve(root, "served", "PassengerMinInstances 2\n") do |server|
        request = request_that_waits(server)
        server.graceful { |one| one.sites.last.directives = "PassengerMinInstances 1\n" }
        replaced(server, /passenger-agent\S* #{name}/)
        succeed(CONFIG, "resume", "--all")
        assert_equal %w[200 served], [request.value.code, request.value.body], name
      end
    end
  end

  private

  def request_that_waits(server)
    eventually("idle instances") { one_app["instances"].map { |one| one["sessions"] } == [0, 0] }
    succeed(CONFIG, "pause", "--all")
    request = Thread.new { server.client("app.test").get("/") }
    eventually("a request that waits") { one_app["queue"]["waiting"] == 1 }
    request
  end

  # The next process answers as soon as it has begun.
  def replaced(server, pattern)
    old = server.tree.matching(pattern).map(&:pid)
    Process.kill(:KILL, old.first)
    eventually("another process", within: 60) do
      (server.tree.matching(pattern).map(&:pid) - old).any?
    end
    eventually("the application is known again", within: 60) { apps.any? }
  end

  # The application says `text` before the block runs.
  def serve(root, text, directives = "")
    with_server(configuration { |one| one.site("app.test", root, directives) }) do |server|
      assert_equal text, said(server)
      @own_server = server
      yield server
    end
  end

  def said(server)
    server.client("app.test").get("/").body
  end

  # A new child tells the agent.
  def reload(server, directives = nil)
    children = server.tree.httpd_children.map(&:pid)
    server.graceful do |one|
      one.sites.last.directives = directives if directives
      yield one if block_given?
    end
    eventually("new children") { (server.tree.httpd_children.map(&:pid) & children).empty? }
    said(server)
  end

  def one_app
    apps.first
  end

  # After the only instance has ended, the next one says this.
  def becomes(server, text)
    eventually("one instance") { one_app["instances"].size == 1 }
    succeed(CONFIG, "detach-process", one_app["instances"].first["pid"].to_s)
    eventually(text) { said(server) == text }
  end

  # The agent looks at the folder soon after the request that names it. A touch before that look
  # counts as its present state.
  def in_steps(root, folder, server)
    FileUtils.mkdir_p(folder)
    version = 1
    in_one_of(5) do
      version += 1
      File.write(File.join(root, "config.ru"), SampleApps.saying("version #{version}"))
      file = File.join(folder, "restart.txt")
      FileUtils.touch(file)
      File.utime(Time.now, Time.now + version, file)
      eventually("the new version", within: 5) { said(server) == "version #{version}" }
    end
  end
end
