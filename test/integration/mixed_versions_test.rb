# frozen_string_literal: true

require "open3"
require_relative "support/integration_test"
require_relative "support/steady_load"

# Between an upgrade's unpacking and httpd's reload, the agent of before starts the new loaders.
class MixedVersionsTest < IntegrationTest
  LAYOUT = "lib/passenger/wire/layout.rb"
  # A cluster is served by a bridge, which Node becomes. The options that Node keeps for the bridge
  # then name an agent of another version.
  CLUSTER = <<~JS
    const fs = require("fs");
    const options = fs.readFileSync("/proc/self/fd/4", "latin1");
    const at = options.indexOf("layout_version") + "layout_version".length + 4;
    fs.writeSync(fs.openSync("/proc/self/fd/4", "r+"), "99", at);
    require("cluster").fork();
  JS

  def test_loaders_of_another_version_do_not_start_and_instances_of_before_go_on
    root = File.join(SampleApps.new_folder, "root")
    Open3.capture2e("cp", "-rL", TestEnvironment::PASSENGER_ROOT, root)
    app = SampleApps.written(SampleApps.saying("old"))
    made = configuration do |one|
      one.passenger_root = root
      one.site("upgraded.test", app)
    end
    with_server(made) do |server|
      client = server.client("upgraded.test")
      assert_equal "old", client.get("/").body
      replace(File.join(root, LAYOUT)) { |text| text.sub(/VERSION = \d+/, "VERSION = 255") }
      answers = SteadyLoad.during(client) do |load|
        deploy(app)
        server.log.wait_for(/event=control\.broken .*installed files have 255: reload httpd/)
        server.log.wait_for(/event=deploy\.failed/)
        load.wait_for("an answer of the old instance") { |answer| answer.body == "old" }
      end
      assert_equal [200], answers.map(&:code).uniq
    end
  end

  def test_bridge_of_another_version_does_not_begin_in_place_of_node
    app = SampleApps.written(CLUSTER, "app.js")
    with_server(configuration { |one| one.site("upgraded.test", app) }) do |server|
      assert_equal "500", server.client("upgraded.test").get("/").code
      server.log.wait_for(/has version 99 of the layouts, .* have \d+: reload httpd/)
    end
  end

  def test_processes_of_an_agent_whose_program_was_replaced_keep_their_name
    root = File.join(SampleApps.new_folder, "root")
    Open3.capture2e("cp", "-rL", TestEnvironment::PASSENGER_ROOT, root)
    with_server(configuration { |one| one.passenger_root = root }) do |server|
      agent = File.join(root, "passenger-agent")
      FileUtils.cp(agent, "#{agent}.new")
      File.rename("#{agent}.new", agent)
      pools = -> { server.tree.matching(/passenger-agent pool/).map(&:pid) }
      former = pools.call.first
      Process.kill(:KILL, former)
      pid = eventually("another pool process", within: 20) { (pools.call - [former]).first }
      # It sets its name itself, soon after it was executed.
      eventually("its name") { File.read("/proc/#{pid}/comm") == "passenger-agent\n" }
    end
  end

  private

  # As packages do: by a rename.
  def replace(file)
    File.write("#{file}.new", yield(File.read(file)))
    File.chmod(0o644, "#{file}.new")
    File.rename("#{file}.new", file)
  end

  def deploy(folder)
    File.write(File.join(folder, "config.ru"), SampleApps.saying("new"))
    FileUtils.touch(File.join(folder, "tmp/restart.txt"))
  end
end
