# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# Preloaders: when they end, and those that warmed instances make.
class PreloaderTest < IntegrationTest
  IDLE_TIME = 2
  REFORK_AFTER = 50

  serve do |made|
    made.site("idle.test", SampleApps.rack, "PassengerMaxPreloaderIdleTime #{IDLE_TIME}\n")
    made.site("warm.test", SampleApps.rails, "PassengerReforkAfter #{REFORK_AFTER}\nPassengerMinInstances 2\nPassengerMaxInstances 2\n" \
                                             "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def test_a_preloader_that_forks_nothing_ends_and_its_instance_serves_on
    instance = client("idle.test").pid
    preloader = ProcessInfo.read(instance).ppid
    assert_includes ProcessInfo.read(preloader).command_line, "AppPreloader"
    eventually("its end", within: 20) { ProcessInfo.read(preloader).nil? }
    assert_equal instance, client("idle.test").pid
    server.log.wait_for(/event=preloader\.idle/)
  end

  def test_a_warmed_rails_instance_makes_the_next_preloader_under_load_and_no_request_fails
    client("warm.test").get("/plain")
    answers = SteadyLoad.during(client("warm.test"), "/plain", threads: 2) do
      eventually("three generations", within: 60) { reforks.size >= 3 && !heirs(reforks.last).empty? }
    end
    refute_empty answers
    failed = answers.reject { |answer| answer.code == 200 }
    assert_empty failed.first(5), "#{failed.size} of #{answers.size} failed"
    eventually("the end of what came before", within: 20) { preloaders == [reforks.last] && heirs(reforks.last).size == 2 }
  end

  private

  # Process ids of the preloaders that instances made, in order.
  def reforks
    server.log.text.scan(/event=preloader\.reforked app="[^"]*rails_app.* pid=(\d+)/).map { |found| found[0].to_i }
  end

  def heirs(preloader)
    ProcessInfo.all.select { |process| process.ppid == preloader && process.command_line.include?("RubyApp") }
  end

  def preloaders
    ProcessInfo.all.select { |process| process.command_line.match?(/AppPreloader.*rails_app/) && process.alive? }.map(&:pid)
  end
end
