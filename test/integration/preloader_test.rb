# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"
require_relative "support/steady_load"

# Preloaders: their end, and preloaders that warmed instances fork.
class PreloaderTest < IntegrationTest
  IDLE_TIME = 2
  REFORK_AFTER = 50

  OWNED = <<~RUBY
    run proc { |_env| [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]] }
  RUBY

  serve do |made|
    made.site("idle.test", SampleApps.rack, "PassengerMaxPreloaderIdleTime #{IDLE_TIME}\n")
    made.site("warm.test", SampleApps.rails, "PassengerReforkAfter #{REFORK_AFTER}\n" \
                                             "PassengerMinInstances 2\nPassengerMaxInstances 2\n" \
                                             "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
    if TestEnvironment.root?
      made.site("owned.test", owned(MadeUsers["a"]),
                "PassengerReforkAfter 5\nPassengerMinInstances 1\nPassengerMaxInstances 1\n")
    end
  end

  def self.owned(user)
    SampleApps.written(OWNED).tap { |folder| FileUtils.chown_R(user.name, user.name, folder) }
  end

  def test_a_preloader_that_forks_nothing_ends_and_its_instance_still_serves
    instance, preloader = instance_and_preloader
    eventually("its end") { ProcessInfo.read(preloader.pid).nil? }
    assert_equal instance, client("idle.test").pid
    server.log.wait_for(/event=preloader\.idle/)
  end

  def test_a_warmed_rails_instance_makes_the_next_preloader_under_load_and_no_request_fails
    client("warm.test").get("/plain")
    answers = SteadyLoad.during(client("warm.test"), "/plain", threads: 2) do
      eventually("three generations", within: 120) do
        reforks.size >= 3 && !heirs(reforks.last).empty?
      end
    end
    refute_empty answers
    failed = answers.reject { |answer| answer.code == 200 }
    assert_empty failed.first(5), "#{failed.size} of #{answers.size} failed"
    eventually("the end of what came before", within: 60) do
      preloaders == [reforks.last] && heirs(reforks.last).size == 2
    end
  end

  def test_a_reforked_preloader_runs_as_its_user_and_is_replaced_if_killed
    needs_root("the application runs as another user")
    5.times { client("owned.test").pid }
    eventually("an instance of the new preloader", within: 60) do
      reforks(root("owned")).include?(ProcessInfo.read(client("owned.test").pid)&.ppid)
    end
    preloader, instance = eventually("an instance of the newest preloader") do
      newest = reforks(root("owned")).last
      heirs(newest).first&.then { |heir| [newest, heir.pid] }
    end
    [preloader, instance].each { |pid| assert_is_users MadeUsers["a"], pid }

    kill_both(preloader, instance)
    successor = client("owned.test").pid
    assert_is_users MadeUsers["a"], successor
    assert_is_users MadeUsers["a"], ProcessInfo.read(successor).ppid
    refute_equal preloader, ProcessInfo.read(successor).ppid
  end

  private

  # On a machine that stalls, a preloader that forks nothing for IDLE_TIME may end before it is
  # seen. Then the next one is used.
  def instance_and_preloader
    eventually("a preloader", within: 60) do
      instance = client("idle.test").pid
      preloader = ProcessInfo.read(ProcessInfo.read(instance)&.ppid)
      next [instance, preloader] if preloader&.command_line.to_s.include?("AppPreloader")

      Process.kill(:KILL, instance) && nil
    end
  end

  # Kills both: whether the pool replaces the instance depends on whether it knows the preloader's
  # end.
  def kill_both(preloader, instance)
    [preloader, instance].each { |pid| Process.kill(:KILL, pid) }
    eventually("their ends") { [preloader, instance].none? { |pid| ProcessInfo.read(pid)&.alive? } }
  end

  def root(name)
    server.configuration.sites.find { |site| site.name == "#{name}.test" }.root
  end

  def assert_is_users(user, pid)
    status = File.read("/proc/#{pid}/status")
    assert_equal [user.uid] * 4, status[/^Uid:(.*)/, 1].split.map(&:to_i)
    assert_equal [user.gid] * 4, status[/^Gid:(.*)/, 1].split.map(&:to_i)
    assert_equal groups_of(user), status[/^Groups:(.*)/, 1].split.map(&:to_i).sort
  end

  # Other tests may add the user to further groups.
  def groups_of(user)
    [user.gid, *Etc.enum_for(:group).select { |group| group.mem.include?(user.name) }.map(&:gid)]
      .uniq.sort
  end

  # Pids of the preloaders that instances forked, in order.
  def reforks(app = "rails_app")
    server.log.text.scan(/event=preloader\.reforked app="[^"]*#{app}.* pid=(\d+)/).map do |found|
      found[0].to_i
    end
  end

  def heirs(preloader)
    ProcessInfo.all.select do |process|
      process.ppid == preloader && process.command_line.include?("RubyApp")
    end
  end

  def preloaders
    server.tree.matching(/AppPreloader.*rails_app/).select(&:alive?).map(&:pid)
  end
end
