# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/steady_load"

# After a failed deployment the preloader alone has the old version. It dies while it is to fork, or
# its forks die.
class LostPreloaderTest < IntegrationTest
  include CommandRunner

  BROKEN = "raise 'this version is broken'\n"

  serve do |made|
    %w[corrected broken].each do |name|
      made.site("#{name}.test", SampleApps.written(telling("old")),
                "PassengerMinInstances 2\nPassengerMaxInstances 2\n")
    end
    made.site("forks.test", SampleApps.written(telling("old")), "PassengerMinInstances 1\n")
    made.site("refork.test", SampleApps.written(telling("old")),
              "PassengerMinInstances 1\nPassengerReforkAfter 5\n")
  end

  # It answers with the version, its process and its preloader.
  def self.telling(version)
    "run proc { |_| [200, {}, [\"#{version} \#{Process.pid} \#{Process.ppid}\"]] }\n"
  end

  def test_the_files_of_a_version_that_failed_and_was_corrected_are_not_mixed_with_the_old_version
    answers = lose_preloader("corrected", self.class.telling("new")) do |load|
      load.wait_for("the new version") { |answer| version(answer) == "new" }
      load.wait_for_all("later answers", count: 20)
    end
    seen = answers.select { |answer| version(answer) == "new" }.map(&:answered).min
    late = answers.select { |answer| answer.asked > seen && version(answer) == "old" }
    assert_empty late, "answers of the old version to requests after the new one was seen"
  end

  def test_a_broken_version_costs_no_request_if_the_preloader_of_the_old_one_dies
    answers = lose_preloader("broken", BROKEN) do |load|
      server.log.wait_for(/event=deploy\.failed app="#{root('broken')}/, from: @position)
      load.wait_for_all("later answers", count: 20)
    end
    assert_equal ["old"], answers.map { |answer| version(answer) }.uniq
  end

  # Random.srand runs in each fork.
  def test_corrected_files_are_loaded_if_the_forks_of_the_old_version_die
    flag = File.join(root("forks"), "flag")
    dying = "def Random.srand(*) = (exit!(4) if File.exist?(#{flag.dump}))\n"
    site = serve("forks", dying)
    instance = site.get("/").body.split[1]
    fail_to_deploy("forks")
    File.write(config("forks"), self.class.telling("new"))
    FileUtils.touch(flag)
    Process.kill(:KILL, instance.to_i)
    eventually("the corrected version") { site.get("/").body.start_with?("new") }
  end

  # A fork of a fork dies, as by what requests leave behind.
  def test_after_a_failed_deployment_no_instance_forks_the_next_preloader
    frail = "def Random.srand(*) = (exit!(4) if ($forks = $forks.to_i + 1) > 2)\n"
    site = serve("refork", frail)
    fail_to_deploy("refork")
    20.times { assert_status 200, site.get("/") }
    2.times do
      instance = site.get("/").body.split[1]
      Process.kill(:KILL, instance.to_i)
      body = site.get("/").body
      assert_equal "old", body.split.first
      refute_equal instance, body.split[1]
    end
  end

  private

  # The application is as before, and runs this code first.
  def serve(name, code)
    File.write(config(name), code + self.class.telling("old"))
    client("#{name}.test").tap { |site| assert_status 200, site.get("/") }
  end

  # Returns the answers. `files`: what there is instead of the broken version when it happens.
  def lose_preloader(name, files)
    site = client("#{name}.test")
    _, instance, preloader = site.get("/").body.split
    eventually("two instances") { app(name)["instances"].size == 2 }
    answers = SteadyLoad.during(site, threads: 3) do |load|
      fail_to_deploy(name)
      File.write(config(name), files)
      @position = server.log.position
      lose(name, instance.to_i, preloader.to_i)
      yield load
    end
    assert_empty answers.reject { |answer| answer.code == 200 }.first(5)
    answers
  end

  # The preloader stands still, so that the fork is ordered before it dies.
  def lose(name, instance, preloader)
    Process.kill(:STOP, preloader)
    Process.kill(:KILL, instance)
    eventually("the order of a fork") { app(name)["starting"].positive? }
    Process.kill(:KILL, preloader)
  end

  def fail_to_deploy(name)
    position = server.log.position
    File.write(config(name), BROKEN)
    FileUtils.touch(File.join(root(name), "tmp/restart.txt"))
    server.log.wait_for(/event=deploy\.failed app="#{root(name)}/, from: position)
  end

  def config(name)
    File.join(root(name), "config.ru")
  end

  def version(answer)
    answer.body.to_s.split.first
  end
end
