# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/integration_test"

# PassengerQueueTarget: an overloaded application refuses what it cannot begin in time.
class QueueTargetTest < IntegrationTest
  # Seconds of each request. Two instances answer 40 a second.
  SERVICE = 0.05
  # Milliseconds.
  TARGET = 250
  # As many requests wait for a second.
  CLIENTS = 40
  LIMITS = "PassengerMaxInstances 2\nPassengerMinInstances 2\nPassengerMaxRequestQueueSize 0\n"

  serve do |made|
    application = "run ->(_env) { sleep #{SERVICE}; [200, {}, []] }\n"
    made.site("target.test", SampleApps.written(application),
              "#{LIMITS}PassengerQueueTarget #{TARGET}ms\n" \
              "PassengerRequestQueueOverflowStatusCode 425\n")
    made.site("burst.test", SampleApps.written(application),
              "#{LIMITS}PassengerQueueTarget #{TARGET}ms\n")
    made.site("unset.test", SampleApps.written(application), "PassengerQueueTarget #{TARGET}ms\n")
    made.site("set.test", SampleApps.written(application),
              "PassengerQueueTarget #{TARGET}ms\nPassengerMaxRequestQueueSize 100\n")
    made.site("patient.test", SampleApps.written(application), LIMITS)
  end

  def test_an_overloaded_application_refuses_what_it_cannot_begin_in_time
    position = server.log.position
    answers = overload("target.test") do |so_far|
      so_far.count { |answer| answer.code == "425" } > 200
    end
    refused, answered = answers.partition { |answer| answer.code == "425" }
    assert_equal ["200"], answered.map(&:code).uniq
    times = refused.map { |answer| Integer(answer["Retry-After"]) }
    assert_operator times.uniq.size, :>, 1, "Retry-After spreads the clients"
    assert_empty times - (2..6).to_a
    assert_match(/status=425 .* overloaded: .* #{TARGET} ms, its PassengerQueueTarget/,
                 server.log.text(position))
    eventually("no refusal after the load") { at_once(4, "target.test").uniq == ["200"] }
  end

  def test_without_a_target_all_wait
    count = 0
    answers = overload("patient.test") { (count += 1) > 100 }
    assert_equal ["200"], answers.map(&:code).uniq
  end

  def test_requests_that_can_be_begun_in_time_wait
    # A busy machine can make them wait for longer.
    in_one_of(5) do
      assert_equal ["200"], at_once(6, "burst.test").uniq
    end
  end

  def test_the_target_takes_the_place_of_the_default_length
    assert_equal [0, 100], [limit("unset.test"), limit("set.test")]
  end

  private

  # The length of the queue.
  def limit(site)
    assert_status 200, client(site).get("/")
    root = server.configuration.sites.find { |one| one.name == site }.root
    ControlClient.in(File.join(server.folder, "run")).status["apps"]
                 .find { |one| one["name"].include?(root) }.dig("queue", "limit")
  end

  # Sends requests by CLIENTS at once until the block, which gets the answers so far, is true.
  def overload(site)
    answers = Thread::Queue.new
    over = false
    clients = Array.new(CLIENTS) do
      Thread.new { answers << client(site).get("/") until over }
    end
    so_far = []
    eventually("the end of the load", every: 0) do
      so_far << answers.pop
      yield so_far
    end
    over = true
    clients.each(&:join)
    so_far << answers.pop until answers.empty?
    so_far
  ensure
    over = true
    clients.each(&:join)
  end

  def at_once(number, site)
    Array.new(number) { Thread.new { client(site).get("/").code } }.map(&:value)
  end
end
