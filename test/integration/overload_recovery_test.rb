# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/open_load"

# An open load far above what an application can serve, with PassengerQueueTarget: good answers keep
# their rate, short requests among long ones get theirs, refused clients are spread, and two seconds
# after the load all is as before. The application sleeps, so its capacity does not depend on the
# machine; the limits are wide.
class OverloadRecoveryTest < IntegrationTest
  INSTANCES = 2
  # Seconds of each request, and the share of such requests.
  SHORT = 0.05
  LONG = 0.5
  EVERY = 20
  # Requests a second.
  CAPACITY = INSTANCES / (((EVERY - 1) * SHORT) + LONG) * EVERY
  # The clients wait for so long.
  DEADLINE = 1.5
  # Seconds of each load.
  TIME = 4
  RECOVERY = 2

  Answer = Struct.new(:long, :code, :seconds, :retry_after) do
    def good?
      code == "200" && seconds <= DEADLINE
    end

    def refused?
      code == "503"
    end
  end

  serve do |made|
    made.site("shop.test", SampleApps.written(<<~APP), <<~DIRECTIVES)
      run(lambda do |env|
        sleep env["PATH_INFO"] == "/long" ? #{LONG} : #{SHORT}
        [200, {}, []]
      end)
    APP
      PassengerMaxInstances #{INSTANCES}
      PassengerMinInstances #{INSTANCES}
      PassengerStartInstances #{INSTANCES}
      PassengerQueueTarget 200ms
    DIRECTIVES
  end

  def test_good_answers_keep_their_rate_and_two_seconds_after_the_load_none_is_refused
    assert_status 200, client("shop.test").get("/short")
    before = good_share(load(0.5))
    loaded = load(2)
    sleep RECOVERY
    after = load(0.5)
    assert_empty after.select(&:refused?), "requests that are refused after the load"
    assert_operator good_share(after), :>=, 0.8 * before
    assert_keeps_its_rate(loaded)
    assert_spread(loaded.select(&:refused?))
  end

  private

  # As many good answers as half of the capacity at least, short and long ones.
  def assert_keeps_its_rate(answers)
    good = answers.select(&:good?)
    assert_operator good.size, :>=, 0.5 * CAPACITY * TIME
    short, long = good.partition { |answer| !answer.long }
    assert_operator short.size, :>=, 0.5 * CAPACITY * TIME * (EVERY - 1) / EVERY
    refute_empty long
  end

  def assert_spread(refused)
    times = refused.map { |answer| Integer(answer.retry_after) }
    assert_operator times.uniq.size, :>=, 3
    assert_empty times - (2..6).to_a
  end

  def good_share(answers)
    answers.count(&:good?).fdiv(answers.size)
  end

  # The answers to `rate` times the capacity.
  def load(rate)
    number = (rate * CAPACITY * TIME).round
    load = OpenLoad.new(rate * CAPACITY, most: number) do |index, due|
      long = (index % EVERY).zero?
      answer = client("shop.test").get(long ? "/long" : "/short")
      Answer.new(long, answer.code, Eventually.monotonic - due, answer["Retry-After"])
    end
    load.wait_for(number)
    load.stop
  end
end
