# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"
require_relative "support/unharmed"

# The user of two applications replaces their startup file, logs, restart file and socket folder by
# links to files of others, 10,000 times, while requests and reloads come. Nothing that belongs to
# others is opened, made, read or run with other rights than his.
class AttackRacesTest < IntegrationTest
  include Unharmed

  ROUNDS = 10_000
  SECRET = "the secret of another user"
  # The files of the attacker's application that are replaced.
  FILES = %w[config.ru tmp/restart.txt log/app.log log/own.log].freeze
  RELOADS = 2
  # Seconds after which the agent removes the folder of a bridge that is dead.
  OLD = 11

  if TestEnvironment.root?
    TRACES = File.join(SampleApps.new_folder, "traces")

    serve do |made|
      FileUtils.mkdir_p(TRACES)
      File.chmod(0o1777, TRACES)
      user = MadeUsers["b"].name
      home = SampleApps.new_folder
      root = File.join(home, "app")
      FileUtils.cp_r(SampleApps.copy("hostile_app"), root)
      FileUtils.mkdir_p(File.join(root, "log"))
      FILES.each { |file| FileUtils.touch(File.join(root, file)) }
      TestEnvironment.hand_over(home, user)
      made.site("attacker.test", root,
                "PassengerAppLogFile #{root}/log/app.log\n" \
                "PassengerMonitorLogFile #{root}/log/own.log\nSetEnv TRACES #{TRACES}\n")
      made.site("bridge.test", TestEnvironment.hand_over(SampleApps.copy("http_app"), user),
                "PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb $PASSENGER_SOCKET\"\n")
      made.site("other.test", TestEnvironment.hand_over(SampleApps.rack, MadeUsers["a"].name),
                "PassengerMinInstances 1\n")
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    %w[attacker.test bridge.test other.test].each do |site|
      assert_status 200, client(site).get("/")
    end
  end

  def test_links_in_the_place_of_an_applications_files_lead_to_nothing_of_others
    folders = [foreign("root"), foreign(MadeUsers["a"].name)]
    before = folders.map { |folder| state_of(folder) }
    assert_unharmed(client("other.test"), "/hello") { race(folders) }
    clean_spawn_dir(folders)
    assert_equal(before, folders.map { |folder| state_of(folder) })
    assert_equal [MadeUsers["b"].uid.to_s], Dir.children(TRACES)
    # An attack that is refused was made.
    assert_match(/the link \S+ belongs to user/, server.log.text)
    refute_includes server.log.text, SECRET
    FILES.each { |file| refute_includes File.read(File.join(root, file)), SECRET }
    %w[attacker.test bridge.test].each do |site|
      eventually(site) { client(site).get("/").code.to_i == 200 }
    end
  end

  private

  def root
    server.configuration.sites.first.root
  end

  # A folder with what an agent as root could be led to. All may read the startup file.
  def foreign(user)
    folder = SampleApps.new_folder
    Dir.mkdir(File.join(folder, "public"))
    %w[secret socket restart.txt].each do |name|
      File.write(File.join(folder, name), SECRET, perm: 0o600)
    end
    File.write(File.join(folder, "config.ru"),
               "File.write(File.join(#{TRACES.dump}, Process.uid.to_s), \"\")\n" \
               "#{SampleApps.saying("foreign")}")
    TestEnvironment.hand_over(folder, user)
  end

  def state_of(folder)
    Dir.children(folder).sort.map do |name|
      path = File.join(folder, name)
      stat = File.lstat(path)
      [name, stat.file? && File.read(path), stat.ctime,
       stat.ino, stat.uid, stat.gid, stat.mode, stat.nlink]
    end
  end

  # What the attacker's own answers are does not matter here.
  def race(folders)
    SteadyLoad.during(client("attacker.test")) do
      SteadyLoad.during(server.client("bridge.test", timeout: 2)) do
        racer = Process.detach(spawn(*command(folders), chdir: "/"))
        RELOADS.times do
          server.graceful
          sleep 1
        end
        assert_predicate racer.value, :success?
      end
    end
  end

  def command(folders)
    user = MadeUsers["b"]
    ["setpriv", "--reuid=#{user.uid}", "--regid=#{user.gid}", "--clear-groups", RbConfig.ruby,
     File.join(root, "racer.rb"), ROUNDS.to_s, server.spawn_dir, folders.last, others(folders),
     *FILES.map { |file| File.join(root, file) }]
  end

  # The agent removes what dead bridges have left, but no young folders, and follows no link.
  def clean_spawn_dir(folders)
    links = Dir.glob(File.join(server.spawn_dir, "passenger.*.linked"))
    refute_empty links
    left = Dir.glob(File.join(server.spawn_dir, "passenger.*")) - links
    newest = (folders + left).map { |folder| File.stat(folder).ctime }.max
    eventually("folders that are not young") { Time.now - newest > OLD }
    position = server.log.position
    server.graceful
    server.log.wait_for(/event=pool\.settings_changed/, from: position)
    File.unlink(*links)
  end

  def others(folders)
    folders.flat_map do |folder|
      %w[secret socket restart.txt config.ru].map { |name| File.join(folder, name) }
    end.join(":")
  end
end
