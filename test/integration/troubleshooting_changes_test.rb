# frozen_string_literal: true

require_relative "support/made_users"
require_relative "support/troubleshooting"
require_relative "support/web_socket_client"

# New versions that are not served, connections that are cut, and uploads that are refused:
# doc/TROUBLESHOOTING.md#restarttxt-does-nothing
# doc/TROUBLESHOOTING.md#the-new-version-is-not-served
# doc/TROUBLESHOOTING.md#the-first-request-is-slow; pre_start_test.rb, deploy_test.rb,
#   spare_instances_test.rb and preloader_test.rb have other rows
# doc/TROUBLESHOOTING.md#websockets-are-cut
# doc/TROUBLESHOOTING.md#uploads-fail
class TroubleshootingChangesTest < TroubleshootingTest
  OLD = SampleApps.saying("old")
  NEW = SampleApps.saying("served")
  # What hijack_app sends to /unread, without its head.
  UNREAD = 50_000_000
  # A thread of httpd passes the bytes of connections on that an application has taken over.
  BY_HTTPD = "PassengerTransferConnections off\n"

  serve do |made|
    leave_room(made)
    made.set("PassengerMaxPoolSize", 16)
    %w[broken kept elsewhere page switched].each do |name|
      made.site("#{name}.test", SampleApps.written(OLD))
    end
    made.site("hidden.test", SampleApps.written(OLD))
    made.site("cached.test", SampleApps.written(<<~RUBY))
      run proc { |_env|
        [200, { "Cache-Control" => "public, max-age=600" }, [File.read("\#{__dir__}/version")]]
      }
    RUBY
    File.write("#{made.sites.last.root}/version", "old")
    made.site("variable.test",
              SampleApps.written("run proc { |_env| [200, {}, [ENV['A'].inspect]] }\n"))
    release = SampleApps.written(OLD)
    @current = File.join(SampleApps.new_folder, "current")
    File.symlink(release, @current)
    made.site("named.test", release)
    made.site("followed.test", @current)
    made.site("idle.test", SampleApps.copy("hijack_app"), "PassengerMinInstances 0\n")
    made.site("watched.test", SampleApps.written(OLD), "PassengerMinInstances 0\n")
    made.set("PassengerPoolIdleTime", 1)
    sockets(made)
    uploads(made)
  end

  def self.current
    server && @current
  end

  def self.sockets(made)
    made.site("socket.test", SampleApps.copy("hijack_app"), "PassengerMaxInstances 1\n")
    made.site("unread.test", SampleApps.copy("hijack_app"), "#{BY_HTTPD}Timeout 1\n")
    made.site("worn.test", SampleApps.copy("hijack_app"),
              "PassengerMaxInstances 1\nPassengerMaxRequests 2\n")
  end

  def self.uploads(made)
    made.site("limited.test", SampleApps.rack, "LimitRequestBody 1000\n")
    made.site("impatient.test", SampleApps.rack, "Timeout 1\n")
    made.set("PassengerMaxDataBufferSizePerApp", 1)
    made.site("stored.test", SampleApps.rack)
  end

  # -- restart.txt does nothing, and the new version

  def test_a_new_version_that_does_not_start
    assert_cured "broken", "old"
    correct("broken", "raise 'of the new version'\n")
    line = logged(/event=deploy\.failed/)
    logged(/event=app\.restart/)
    assert_match(/of the new version/, report(line))
    assert_equal "old", get("broken").body
    correct("broken", NEW)
    assert_cured "broken"
  end

  def test_a_restart_file_that_the_user_may_not_see_restarts_nothing
    needs_root "a folder that the application's user may not enter"
    assert_cured "hidden", "old"
    folder = File.join(root("hidden"), "tmp")
    File.chown(0, 0, folder)
    File.chmod(0o700, folder)
    correct("hidden", NEW)
    refute system(*AS_WEB_USER, "stat", "#{folder}/restart.txt", %i[out err] => File::NULL)
    assert_not_restarted "hidden"
    system("chmod", "o+x", folder)
    assert_cured "hidden"
  end

  def test_a_restart_file_that_keeps_its_time_restarts_nothing
    restart("kept")
    assert_cured "kept", "old"
    file = File.join(root("kept"), "tmp/restart.txt")
    system("cp", "-p", file, "#{file}.copy")
    File.write(File.join(root("kept"), "config.ru"), NEW)
    system("cp", "-p", "#{file}.copy", file)
    assert_not_restarted "kept"
    system("touch", file)
    assert_cured "kept"
    logged(/event=app\.restart/)
  end

  def test_a_restart_file_in_another_folder_restarts_nothing
    assert_cured "elsewhere", "old"
    File.write(File.join(root("elsewhere"), "config.ru"), NEW)
    FileUtils.mkdir_p("#{root('elsewhere')}/public/tmp")
    FileUtils.touch("#{root('elsewhere')}/public/tmp/restart.txt")
    assert_not_restarted "elsewhere"
    FileUtils.touch("#{succeed(STATUS)[/^ +App root: (#{root('elsewhere')})$/, 1]}/tmp/restart.txt")
    assert_cured "elsewhere"
  end

  # It may also have ended, and been forgotten.
  def test_an_application_that_does_not_run_needs_no_restart
    made = configuration { |one| one.site("rest.test", SampleApps.written(OLD)) }
    with_server(made) { |own| assert_equal "old", own.client.get("/").body }
    with_server(made) do |own|
      File.write("#{root('rest')}/config.ru", NEW)
      restart("rest")
      refute_includes succeed(STATUS), root("rest")
      assert_equal "served", own.client.get("/").body
      refute_match(/event=app\.restart/, own.log.text)
      assert_includes succeed(STATUS), root("rest")
    end
  end

  def test_passenger_config_restarts_an_application_without_the_file
    assert_cured "switched", "old"
    File.write(File.join(root("switched"), "config.ru"), NEW)
    succeed(CONFIG, "restart-app", "--wait", "60", root("switched"))
    assert_equal "served", get("switched").body
  end

  def test_a_cached_page_and_a_file_of_the_name
    assert_cured "page", "old", "/x"
    correct("page", NEW)
    assert_cured "page"
    files = %w[x.html y].map { |name| "#{root('page')}/public/#{name}" }
    files.each { |file| File.write(file, "older") }
    %w[/x /y].each { |path| assert_cured "page", "older", path }
    files.each { |file| File.delete(file) }
    %w[/x /y].each { |path| assert_cured "page", "served", path }
  end

  def test_turbocaching_keeps_an_old_answer
    get("cached")
    answer = eventually("an answer of the cache") do
      get("cached").then { |one| one if one["Age"] }
    end
    assert_equal "old", answer.body
    File.write("#{root('cached')}/version", "served")
    assert_equal "served", get("cached", "/", "Cache-Control" => "no-cache").body
  end

  def test_a_link_that_is_switched
    %w[named followed].each { |name| assert_cured name, "old" }
    newer = SampleApps.written(NEW)
    File.symlink(newer, "#{self.class.current}.next")
    File.rename("#{self.class.current}.next", self.class.current)
    succeed(CONFIG, "restart-app", "--wait", "60", self.class.current)
    assert_equal "served", get("followed").body
    assert_equal "old", get("named").body, "the configuration names a release"
    server.graceful { site("named").document_root = "#{self.class.current}/public" }
    assert_cured "named"
  end

  def test_a_variable_reaches_the_process_after_a_reload_and_a_restart
    assert_cured "variable", "nil"
    site("variable").directives = "SetEnv A 1\n"
    server.write_configuration
    succeed(CONFIG, "restart-app", "--wait", "60", root("variable"))
    assert_equal "nil", get("variable").body, "httpd has not read it"
    server.graceful
    renew("variable") { get("variable").body == '"1"' }
  end

  # -- the first request, and WebSockets

  # The socket's instance looks idle, and the application's next request has to wait for a start.
  def test_an_instance_ends_after_the_idle_time_unless_it_is_the_least
    socket = web_socket("idle")
    logged(/event=instance\.idle app="#{root('idle')}/)
    assert socket.ended?
    configure("idle", "PassengerMinInstances 1\n")
    # For a moment after a reload, an old child may take the request, and the agent keeps none.
    in_one_of(5) do
      position = server.log.position
      socket = web_socket("idle")
      # The agent looks at all instances; that of the other application is idle for a shorter time.
      assert_cured "watched", "old"
      server.log.wait_for(/event=instance\.idle app="#{root('watched')}/, from: position)
      assert_equal "HELLO", socket.say("hello").hear
    end
  end

  def test_web_sockets_are_cut_at_a_restart_and_may_come_again
    socket = web_socket("socket")
    restart("socket")
    logged(/event=app\.restart/)
    assert socket.ended?
    assert_equal "HELLO", web_socket("socket").say("hello").hear
  end

  def test_web_sockets_are_cut_when_the_instance_is_worn
    socket = web_socket("worn")
    eventually("the end of the instance") do
      get("worn")
      server.log.text(@log_position).match?(/event=instance\.worn app="#{root('worn')}/)
    end
    assert socket.ended?
    configure("worn", "PassengerMaxInstances 1\nPassengerMaxRequests 1000\n")
    renew("worn") do
      socket = web_socket("worn")
      5.times { assert_status 200, get("worn") }
      socket.say("hello").hear == "HELLO"
    end
  end

  def test_a_client_that_takes_nothing_until_the_timeout_is_given_up
    raw = server.raw("unread.test").request("GET", "/unread")
    logged(/event=connection\.given_up/)
    assert_operator all_of(raw), :<, UNREAD
    configure("unread", "#{BY_HTTPD}Timeout 60\n")
    # For a moment after a reload, an old child may take the request.
    in_one_of(5) do
      raw = server.raw("unread.test").request("GET", "/unread")
      # Longer than the first Timeout.
      sleep 3
      assert_operator all_of(raw), :>, UNREAD
    end
  end

  # The kernel gives each user only so many inotify instances.
  def test_a_kernel_that_reports_no_changes
    needs_root "another user for the agent"
    user = MadeUsers["watcher"]
    made = configuration do |one|
      { "PassengerAgentUser" => user.name, "PassengerStatThrottleRate" => 3600 }
        .each { |name, value| one.set(name, value) }
      one.site("old.test", SampleApps.written(OLD))
    end
    without_inotify(user) do
      with_server(made) do |own|
        assert_equal "old", own.client.get("/").body
        own.log.wait_for(/event=restart\.no_inotify/)
        folder = made.sites.first.root
        File.write("#{folder}/config.ru", NEW)
        FileUtils.touch("#{folder}/tmp/restart.txt")
        own.graceful { |one| one.set("PassengerStatThrottleRate", 1) }
        eventually("the new version") { own.client.get("/").body == "served" }
      end
    end
  end

  # -- uploads

  def test_413_ends_with_a_higher_limit_request_body
    assert_status 413, post("limited", 2000)
    logged(/event=request\.given_up .*status=413/)
    configure("limited", "LimitRequestBody 100000\n")
    eventually("the upload") { post("limited", 2000).code == "200" }
  end

  def test_507_ends_with_a_higher_quota
    assert_status 507, post("stored", 2_000_000)
    name = logged(/event=upload\.refused .*directive=/)[/directive=(\w+)/, 1]
    assert_equal "PassengerMaxDataBufferSizePerApp", name
    server.graceful { |made| made.set(name, 100) }
    eventually("the upload") { post("stored", 2_000_000).code == "200" }
  end

  def test_408_ends_with_a_higher_timeout
    half = lambda do
      server.raw("impatient.test").request("POST", "/upload", "Content-Length" => "10")
        .write("half,")
    end
    raw = half.call
    assert_equal 408, raw.response.status
    logged(/event=request\.given_up/)
    configure("impatient", "Timeout 60\n")
    # For a moment after a reload, an old child may take the request.
    in_one_of(5) do
      raw.close
      raw = half.call
      refute raw.arrived?(2), "nothing comes after the shorter time"
      assert_equal 200, raw.write("whole").response.status
    end
  ensure
    raw&.close
  end

  def test_500_where_the_folder_for_uploads_is_missing
    folder = File.join(SampleApps.new_folder, "uploads")
    TestEnvironment.hand_over(folder.tap { |path| Dir.mkdir(path) })
    with_server(configuration { |made| made.set("PassengerDataBufferDir", folder) }) do |own|
      Dir.rmdir(folder)
      assert_equal "500", own.client.post("/upload", "x" * 200_000).code
      own.log.wait_for(/event=request\.failed .*PassengerDataBufferDir/)
      system("mkdir", folder)
      system("chown", "www-data", folder) if TestEnvironment.root?
      eventually("the upload") { own.client.post("/upload", "x" * 200_000).code == "200" }
    end
  end

  private

  def post(name, size)
    client("#{name}.test").post("/upload", "x" * size)
  end

  def web_socket(name)
    eventually("a WebSocket") { WebSocketClient.new(server.port, "#{name}.test", "/web_socket") }
  end

  # The number of bytes until the end.
  def all_of(raw)
    raw.read_to_end.bytesize
  rescue Errno::ECONNRESET
    0
  ensure
    raw.close
  end

  # Runs the block while a process of the user has all inotify instances that the user may have.
  def without_inotify(user)
    reader, writer = IO.pipe
    code = "require 'fiddle'; Process::UID.change_privilege(#{user.uid}); " \
           "name = Fiddle.dlopen(nil)['inotify_init']; " \
           "init = Fiddle::Function.new(name, [], Fiddle::TYPE_INT); " \
           "nil until init.call.negative?; puts 'all'; $stdout.flush; $stdin.read"
    hold, release = IO.pipe
    pid = Process.spawn(RbConfig.ruby, "-e", code, in: hold, out: writer)
    [hold, writer].each(&:close)
    assert_equal "all\n", reader.gets
    yield
  ensure
    [reader, release].each { |one| one&.close }
    Process.wait(pid) if pid
  end

  # A later restart of another application shows that the agent has looked at all files.
  def assert_not_restarted(name)
    other = pid_of_another
    restart("page")
    eventually("the other application restarts") { pid_of_another != other }
    assert_equal "old", get(name).body
  end

  def pid_of_another
    get("page")
    app("page")["instances"].map { |one| one["pid"] }
  end
end
