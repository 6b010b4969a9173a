# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# Applications that leak, beside an honest one, within PassengerMemoryBudget: the leaking instances
# are replaced, and no request fails. PASSENGER_TEST_BUDGET is a time in seconds for which they go
# on; a line of figures is printed each minute.
class MemoryBudgetTest < IntegrationTest
  SECONDS = Integer(ENV.fetch("PASSENGER_TEST_BUDGET", "0"))
  MB = 1024 * 1024
  BUDGET = 300
  # MB that an instance leaks in a second at most, whatever the load and the machine are.
  RATE = 10
  LEAKERS = %w[ruby.test python.test].freeze
  # An instance leaks five times a second at most: more requests would only take processor time.
  PAUSE = 0.1
  # The agent measures each second, and an instance ends after that. A busy machine takes longer.
  SLACK = RATE * LEAKERS.size * 5

  RUBY = <<~RUBY
    clock = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
    kept = []
    last = clock.call
    run proc { |_env|
      if clock.call - last >= 0.2
        last = clock.call
        kept << "x" * #{RATE * MB / 5}
      end
      [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    }
  RUBY

  PYTHON = <<~PYTHON
    import os
    import time

    kept = []
    last = time.monotonic()


    def application(environ, start_response):
        global last
        if time.monotonic() - last >= 0.2:
            last = time.monotonic()
            kept.append(b"x" * #{RATE * MB / 5})
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
  PYTHON

  HONEST = <<~RUBY
    run proc { |_env| [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]] }
  RUBY

  serve do |made|
    made.set("PassengerMemoryBudget", "#{BUDGET}M")
    made.site("honest.test", SampleApps.written(HONEST))
    made.site("ruby.test", SampleApps.written(RUBY))
    made.site("python.test", SampleApps.written(PYTHON, "passenger_wsgi.py"))
    made.site("own.test", SampleApps.written(RUBY), "PassengerMemoryBudget 60M\n")
  end

  def setup
    @position = server.log.position
    @most = 0
    @samples = 0
  end

  def test_leaking_and_honest_applications_share_a_budget_and_no_request_fails
    answers = during(%w[honest.test] + LEAKERS) do |loads|
      LEAKERS.each { |name| wait_for_pids(loads.fetch(name), 5) }
      keep_on
    end
    answers.each { |name, own| assert_all_answered(name, own) }
    assert_equal 1, pids(answers.fetch("honest.test")).size, "instances of the honest application"
    assert_operator @most, :<=, BUDGET + SLACK, "MB of all instances"
    assert_operator @samples, :>, 10
    assert_nobody_killed
  end

  def test_an_application_keeps_a_budget_of_its_own
    answers = during(%w[own.test]) { |loads| wait_for_pids(loads.fetch("own.test"), 3) }
    answers.each { |name, own| assert_all_answered(name, own) }
    assert_match(/share of 60 MB.* \(PassengerMemoryBudget\)/, server.log.text(@position))
    assert_nobody_killed
  end

  private

  # Returns the answers of each site while the block ran.
  def during(names)
    over = false
    loads = names.to_h { |name| [name, SteadyLoad.new(client(name), "/", 1, pause: PAUSE)] }
    sampler = Thread.new { sample until over }
    yield loads
    loads.transform_values(&:stop)
  ensure
    over = true
    sampler&.join
    loads&.each_value(&:stop)
  end

  def sample
    @most = [@most, megabytes.sum].max
    @samples += 1
    sleep 0.5
  end

  # PSS of each instance.
  def megabytes
    server.tree.matching(/\APassenger \w*App: /).filter_map do |process|
      File.read("/proc/#{process.pid}/smaps_rollup")[/^Pss: +(\d+)/, 1].to_i / 1024
    rescue SystemCallError
      nil
    end
  end

  def keep_on
    began = Eventually.monotonic
    told = began
    while (now = Eventually.monotonic) - began < SECONDS
      sleep 0.2
      next if now - told < 60

      told = now
      puts "\nbudget: #{(now - began).round} s, instances #{megabytes} MB, the most #{@most} MB, " \
           "#{ended('worn')} replaced in order, #{ended('over_budget')} ended"
    end
  end

  def ended(event)
    server.log.count(/event=instance\.#{event} /, @position)
  end

  def pids(answers)
    answers.map(&:body).uniq
  end

  def wait_for_pids(load, count)
    eventually("#{count} instances have answered", within: 300, every: 0.5) do
      pids(load.answers).size >= count
    end
  end

  def assert_all_answered(name, answers)
    refute_empty answers
    failed = answers.reject { |answer| answer.code == 200 }
    assert_empty failed.first(5), "#{failed.size} of #{answers.size} requests of #{name} failed"
  end

  def assert_nobody_killed
    log = server.log.text(@position)
    refute_match(/event=instance\.(killed|died)/, log)
    refute_match(/event=instance\.exited.* signal=/, log)
  end
end
