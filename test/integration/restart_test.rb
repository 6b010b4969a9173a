# frozen_string_literal: true

require_relative "support/integration_test"

# tmp/restart.txt and the other restart files.
class RestartTest < IntegrationTest
  serve do |made|
    %w[plain several loaded relative absolute].each do |name|
      root = SampleApps.written(SampleApps.saying("version 1"))
      made.site("#{name}.test", root, directives(name, root))
    end
  end

  def self.directives(name, root)
    case name
    when "several", "loaded" then "PassengerMinInstances 2\n"
    when "relative" then "PassengerRestartDir deploy\n"
    when "absolute" then "PassengerRestartDir #{root}/elsewhere\n"
    else ""
    end
  end

  def test_an_appearing_restart_file_brings_the_new_code
    assert_version "plain", 1
    deploy("plain", 2)
    assert_version "plain", 1, "nothing changes without restart.txt"
    FileUtils.touch(restart_file("plain"))
    assert_eventually_version "plain", 2

    deploy("plain", 3)
    move("plain", 60)
    assert_eventually_version "plain", 3

    deploy("plain", 4)
    move("plain", -86_400)
    assert_eventually_version "plain", 4

    deploy("plain", 5)
    assert_version "plain", 4, "an unchanged restart.txt changes nothing"
  end

  def test_all_instances_are_replaced
    assert_version "several", 1
    deploy("several", 2)
    FileUtils.touch(restart_file("several"))
    assert_eventually_version "several", 2
    20.times { assert_version "several", 2 }
  end

  def test_no_request_fails_through_a_restart
    stop = false
    codes = []
    load = Thread.new { codes << client("loaded.test").get("/").code until stop }
    3.times do |number|
      deploy("loaded", 10 + number)
      move("loaded", 100 + number)
      assert_eventually_version "loaded", 10 + number
    end
    stop = true
    load.join
    assert_equal ["200"], codes.uniq
  end

  def test_a_restart_is_noticed_within_the_throttle_rate
    root = SampleApps.written(SampleApps.saying("version 1"))
    made = configuration do |one|
      one.set("PassengerStatThrottleRate", 2)
      one.site("throttled.test", root)
    end
    with_server(made) do |server|
      version = 1
      assert_equal "version 1", server.client.get("/").body
      in_one_of(3) do
        version += 1
        File.write(File.join(root, "config.ru"), SampleApps.saying("version #{version}"))
        FileUtils.touch(File.join(root, "tmp/restart.txt"))
        eventually("the new version", within: 2 + 2) do
          server.client.get("/").body == "version #{version}"
        end
      end
    end
  end

  def test_a_touch_is_noticed_at_once_however_long_the_throttle_rate
    root = release(1)
    serve_for_an_hour(root) do |server|
      assert_equal "version 1", server.client.get("/").body
      File.write(File.join(root, "config.ru"), SampleApps.saying("version 2"))
      FileUtils.touch(File.join(root, "tmp/restart.txt"))
      eventually("the new version") { server.client.get("/").body == "version 2" }
    end
  end

  def test_a_link_to_another_release_is_noticed_at_once
    current = File.join(SampleApps.new_folder, "current")
    File.symlink(release(1), current)
    serve_for_an_hour(current) do |server|
      assert_equal "version 1", server.client.get("/").body
      newer = release(2)
      FileUtils.touch(File.join(newer, "tmp/restart.txt"))
      File.symlink(newer, "#{current}.next")
      File.rename("#{current}.next", current)
      eventually("the new version") { server.client.get("/").body == "version 2" }
    end
  end

  def test_a_relative_restart_folder_is_below_the_application
    assert_brought_by "relative", "deploy/restart.txt"
  end

  def test_an_absolute_restart_folder_is_used_as_it_is
    assert_brought_by "absolute", "elsewhere/restart.txt"
  end

  private

  def release(number)
    SampleApps.written(SampleApps.saying("version #{number}"))
  end

  # The agent looks at restart files once an hour.
  def serve_for_an_hour(root, &block)
    made = configuration do |one|
      one.set("PassengerStatThrottleRate", 3600)
      one.site("watched.test", root)
    end
    with_server(made, &block)
  end

  def root(name)
    server.configuration.sites.find { |site| site.name == "#{name}.test" }.root
  end

  def restart_file(name)
    File.join(root(name), "tmp/restart.txt")
  end

  def deploy(name, version)
    File.write(File.join(root(name), "config.ru"), SampleApps.saying("version #{version}"))
  end

  # One step if the file exists: the agent may take a second step for another restart.
  def move(name, seconds)
    FileUtils.touch(restart_file(name)) unless File.exist?(restart_file(name))
    File.utime(Time.now, Time.now + seconds, restart_file(name))
  end

  def version(name)
    client("#{name}.test").get("/").body[/version (\d+)/, 1].to_i
  end

  def assert_version(name, expected, message = nil)
    assert_equal expected, version(name), message
  end

  def assert_eventually_version(name, expected)
    eventually("version #{expected}") { version(name) == expected }
  end

  def assert_brought_by(name, file)
    assert_version name, 1
    deploy(name, 2)
    FileUtils.mkdir_p(File.dirname(File.join(root(name), file)))
    FileUtils.touch(File.join(root(name), file))
    assert_eventually_version name, 2
  end
end
