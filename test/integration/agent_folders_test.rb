# frozen_string_literal: true

require "json"
require "socket"

require_relative "support/control_client"
require_relative "support/integration_test"

# The agent's files: the folder where commands find it, its applications' sockets, and its list of
# descriptors.
class AgentFoldersTest < IntegrationTest
  HTTP = "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb $PASSENGER_SOCKET\"\n"

  def setup
    # Outside of the build folder: the path of a socket has at most 107 bytes.
    @folder = File.join(SampleApps.new_folder(Dir.tmpdir), "made/by/nobody")
    FileUtils.mkdir_p(File.dirname(@folder))
  end

  def test_commands_find_the_agent_and_can_ask_it
    with_server(registered) do |server|
      pid = server.client.pid
      assert_equal 0o755, File.stat(@folder).mode & 0o777
      found = entry
      assert_equal 0o755, File.stat(found).mode & 0o777
      properties = JSON.parse(File.read(File.join(found, "properties.json")))
      anchor = server.tree.matching(/passenger-agent anchor/).first.pid
      assert_equal [server.pid, anchor], properties.values_at("httpd_pid", "pid")
      assert_equal anchor, Integer(File.read(File.join(found, "pid")).strip)
      modes = Dir.children(found).to_h { |name| [name, File.stat("#{found}/#{name}").mode & 0o777] }
      assert_equal({ "pid" => 0o600, "properties.json" => 0o644, "control" => 0o666 }, modes)
      app = ControlClient.in(@folder).status["apps"].first
      assert_equal [pid], app["instances"].map { |one| one["pid"] }
    end
    assert_empty Dir.children(@folder)
  end

  def test_the_default_folder_is_under_httpds_own
    with_server(configuration) do |server|
      assert_equal 1, Dir.glob(File.join(server.folder, "run/passenger.*/properties.json")).size
    end
  end

  def test_folders_of_dead_agents_are_removed_and_those_of_live_agents_stay
    with_server(registered) do |first|
      living = entry
      dead = File.join(@folder, "passenger.AAAAAA")
      FileUtils.mkdir_p(dead)
      File.write(File.join(dead, "pid"), "1\n")
      second = HttpdServer.new(registered).start
      refute File.exist?(dead)
      assert_equal 2, Dir.children(@folder).size
      assert_nothing_left second.stop
      assert_equal living, entry
      assert_status 200, first.client.get("/")
    ensure
      second&.destroy
    end
  end

  # The next pool process takes the folder over.
  def test_commands_find_the_agent_after_its_pool_process_was_killed
    with_server(registered) do |server|
      old = entry
      killed = server.tree.matching(/passenger-agent pool/).first
      Process.kill(:KILL, killed.pid)
      eventually("another pool process") do
        JSON.parse(File.read(File.join(old, "properties.json")))["pool_pid"] != killed.pid
      rescue SystemCallError, JSON::ParserError
        nil # It is being written.
      end
      assert_equal old, entry
    end
  end

  def test_the_folder_is_locked_and_a_reload_makes_a_lost_one_anew
    with_server(registered) do |server|
      first = entry
      File.open(first) { |folder| refute folder.flock(File::LOCK_EX | File::LOCK_NB) }
      server.graceful { |one| one.set("PassengerMaxPoolSize", 7) }
      assert_equal first, entry
      FileUtils.rm(File.join(first, "properties.json"))
      server.graceful { |one| one.set("PassengerMaxPoolSize", 8) }
      eventually("another folder") { entry != first }
      assert_equal 1, server.log.count(/event=registry\.lost/)
      eventually("the status") do
        ControlClient.in(@folder).status
      rescue StandardError
        nil # The agent does not listen yet.
      end
    end
  end

  def test_a_folder_that_others_may_change_is_refused_with_the_remedy
    FileUtils.mkdir_p(@folder)
    File.chmod(0o777, @folder)
    with_server(registered) do |server|
      reason = "users other than the owner may write to #{@folder}: chmod go-w #{@folder}, or"
      server.log.wait_for(/event=registry\.failed error="#{reason}/)
      assert_status 200, server.client.get("/")
    end
  end

  def test_a_reload_takes_another_folder
    with_server(registered) do |server|
      old = @folder
      @folder = "#{old}.other"
      server.graceful { |made| made.set("PassengerInstanceRegistryDir", @folder) }
      eventually("the other folder") do
        Dir.exist?(@folder) && Dir.children(@folder).size == 1 && Dir.empty?(old)
      end
    end
  end

  def test_the_backlog_is_as_configured_and_a_reload_changes_it
    made = registered.tap { |one| one.set("PassengerSocketBacklog", 7) }
    with_server(made) do |server|
      assert_equal 7, backlog
      server.graceful { |one| one.set("PassengerSocketBacklog", 5) }
      eventually("the new one") { backlog == 5 }
    end
  end

  def test_sockets_of_applications_are_in_the_folder_that_is_named_and_gone_at_the_end
    with_server(speaking) do |server|
      assert_status 200, server.client.get("/")
      assert_equal 1, Dir.glob(File.join(@folder, "passenger.*.*")).size
      assert_equal 0o1777, File.stat(@folder).mode & 0o7777 if TestEnvironment.root?
    end
    assert_empty Dir.children(@folder)
  end

  def test_a_boot_that_is_killed_leaves_no_folder
    boots = File.join(scratch, "boots")
    command = "test -d $(dirname $PASSENGER_SOCKET) && echo there >> #{boots}; exec sleep 4713"
    with_server(speaking("PassengerAppStartCommand \"#{command}\"\n" \
                         "PassengerStartTimeout 2\n")) do |server|
      2.times do |number|
        # A boot that is killed before its first output does not count.
        eventually("a boot") do
          assert_status(500, server.client.get("/")) && File.exist?(boots) &&
            File.readlines(boots).size > number
        end
        eventually("it is gone") { Dir.empty?(@folder) }
      end
    end
  end

  def test_a_boot_that_is_under_way_when_httpd_stops_leaves_no_folder
    with_server(speaking("PassengerAppStartCommand \"sleep 4714 # " \
                         "$PASSENGER_SOCKET\"\n")) do |server|
      waiting = Thread.new { server.client.get("/") rescue nil }
      eventually("the boot") { !Dir.empty?(@folder) }
      assert_nothing_left server.stop
      waiting.join
      assert_empty Dir.children(@folder)
    end
  end

  def test_the_next_agent_removes_folders_of_a_killed_bridge_and_keeper
    FileUtils.mkdir_p(@folder)
    Process.wait(ended = spawn("true"))
    left = File.join(@folder, "passenger.#{ended}.abcdef")
    Dir.mkdir(left, 0o700)
    UNIXServer.open(File.join(left, "socket"), &:close)
    other = File.join(@folder, "passenger.mine")
    Dir.mkdir(other)
    with_server(speaking) { refute File.exist?(left) }
    assert File.exist?(other)
  end

  def test_descriptors_are_listed_at_the_start_and_at_a_reload
    file = "#{@folder}.descriptors"
    with_server(configuration { |made| made.set("PassengerFileDescriptorLogFile",
                                                file) }) do |server|
      LogReader.new(file).wait_for(/reason=start descriptors=\d+$/)
      LogReader.new(file).wait_for(/\A  \d+ .*error\.log$/)
      server.graceful
      LogReader.new(file).wait_for(/reason=reload descriptors=\d+$/)
      assert_equal 0o600, File.stat(file).mode & 0o777
    end
  end

  private

  def registered
    configuration { |made| made.set("PassengerInstanceRegistryDir", @folder) }
  end

  def speaking(directives = HTTP)
    configuration do |made|
      made.set("PassengerSpawnDir", @folder)
      made.site("http.test", SampleApps.copy("http_app"), directives)
    end
  end

  # Makes as many connections as the backlog takes while the pool process is stopped, less one.
  def backlog
    pool = @own_server.tree.matching(/passenger-agent pool/).first.pid
    ProcessInfo.stop(pool)
    connections = []
    loop do
      connections << Socket.new(:UNIX, :STREAM).tap do |one|
        one.connect_nonblock(Addrinfo.unix(control))
      end
    end
  rescue IO::WaitWritable, Errno::EAGAIN
    connections.size - 1
  ensure
    connections.each(&:close)
    Process.kill(:CONT, pool)
  end

  def control
    File.join(entry, "control")
  end

  def entry
    File.join(@folder, eventually("the agent's folder") { Dir.children(@folder).first })
  end
end
