# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# Instances that reach their number of requests or their memory limit are replaced, and no request
# fails.
class ReplacementTest < IntegrationTest
  MAX_REQUESTS = 20

  # Answers with its pid and the times of the request's begin and end.
  CLOCKED = <<~RUBY
    clock = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
    run proc { |_env|
      began = clock.call
      sleep 0.01
      [200, { "Content-Type" => "text/plain" }, ["\#{Process.pid} \#{began} \#{clock.call}"]]
    }
  RUBY

  # Loads if the file `gate` exists. Otherwise it makes the file `waiting` and waits for `gate`.
  GATED = <<~RUBY
    unless File.exist?(File.join(__dir__, "gate"))
      File.write(File.join(__dir__, "waiting"), "")
      sleep 0.02 until File.exist?(File.join(__dir__, "gate"))
    end
  RUBY

  GROWING = <<~RUBY
    kept = +""
    run proc { |env|
      kept << "x" * 200_000_000 if env["PATH_INFO"] == "/grow"
      [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    }
  RUBY

  serve do |made|
    made.site("worn.test", SampleApps.written("#{GATED}#{CLOCKED}"),
              "PassengerMaxRequests #{MAX_REQUESTS}\nPassengerMaxInstances 2\n" \
              "PassengerSpawnMethod direct\n")
    made.site("single.test", SampleApps.written(CLOCKED),
              "PassengerMaxRequests #{MAX_REQUESTS}\nPassengerMaxInstances 1\n")
    made.site("growing.test", SampleApps.written(GROWING), "PassengerMemoryLimit 150\n")
    made.site("excessive.test", SampleApps.written(GROWING), "PassengerHardMemoryLimit 150\n")
    made.site("rails.test", SampleApps.rails,
              "PassengerMaxRequests #{MAX_REQUESTS}\nPassengerMaxInstances 2\n" \
                                              "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def setup
    @position = server.log.position
  end

  def test_instances_at_their_limit_are_replaced_under_load_without_a_failure_or_a_wait
    gate, waiting = %w[gate waiting].map do |name|
      File.join(server.configuration.sites.first.root, name)
    end
    FileUtils.touch(gate)
    client("worn.test").get("/")
    answers = SteadyLoad.during(client("worn.test"), threads: 3) do |load|
      [2, 3].each do |count|
        FileUtils.rm_f(gate)
        eventually("a start", within: 60) { File.exist?(waiting) }
        load.wait_for_all("answers while an instance starts", count: 10)
        FileUtils.rm(waiting)
        FileUtils.touch(gate)
        wait_for_pids(load, count)
      end
    end
    assert_all_answered answers
  end

  def test_a_single_instance_is_replaced_under_load_and_two_never_serve_at_once
    answers = SteadyLoad.during(client("single.test"), threads: 3) { |load| wait_for_pids(load, 5) }
    assert_all_answered answers
    spans = answers.group_by { |answer| pid(answer) }.map do |pid, own|
      times = own.flat_map { |answer| answer.body.split.drop(1).map(&:to_f) }
      [pid, times.min, times.max]
    end
    spans.sort_by { |span| span[1] }.each_cons(2) do |earlier, later|
      assert_operator earlier[2], :<=, later[1],
                      "#{later[0]} served before #{earlier[0]} had finished"
    end
  end

  def test_rails_is_replaced_under_load_and_no_request_fails
    client("rails.test").get("/plain")
    answers = SteadyLoad.during(client("rails.test"), "/plain", threads: 2) do
      eventually("three replacements", within: 120) do
        worn("rails_app") >= 3 && ended("rails_app") >= 3
      end
    end
    assert_all_answered answers
  end

  # Once it is a minute old. Under load another instance may have started before.
  def test_an_instance_over_its_memory_limit_is_replaced_and_the_log_says_why
    grown = client("growing.test").pid("/grow")
    line = nil
    answers = SteadyLoad.during(client("growing.test"), threads: 2) do |load|
      # An instance that is large at its first measurement is replaced when it is a minute old.
      worn = /event=instance\.worn.*pid=#{grown}\b/
      line = server.log.wait_for(worn, from: @position, within: 120)
      load.wait_for("another instance", within: 120) { |answer| pid(answer) != grown }
    end
    assert_all_answered answers
    assert_match(/uses \d{3} MB of memory \(PassengerMemoryLimit 150\)/, line)
    eventually("its end") { ProcessInfo.read(grown).nil? }
  end

  def test_an_instance_over_its_hard_memory_limit_is_killed_and_another_one_serves
    # The instance, or its replacement, may be killed before it has answered.
    excessive = eventually("an answer") { client("excessive.test").pid("/grow") }
    line = server.log.wait_for(/event=instance\.killed.*pid=#{excessive}\b/, from: @position)
    assert_match(/uses \d{3} MB of memory \(PassengerHardMemoryLimit 150\)/, line)
    eventually("its end") { ProcessInfo.read(excessive).nil? }
    refute_equal excessive, client("excessive.test").pid("/")
  end

  private

  def pid(answer)
    answer.body[/\A\d+/].to_i
  end

  def wait_for_pids(load, count)
    eventually("#{count} instances have answered", within: 60, every: 0.1) do
      load.answers.map { |answer| pid(answer) }.uniq.size >= count
    end
  end

  def worn(app)
    server.log.count(/event=instance\.worn app="[^"]*#{app}/, @position)
  end

  def ended(app)
    server.log.count(/event=instance\.exited app="[^"]*#{app}/, @position)
  end

  def assert_all_answered(answers)
    refute_empty answers
    failed = answers.reject { |answer| answer.code == 200 }
    assert_empty failed.first(5), "#{failed.size} of #{answers.size} failed"
  end
end
