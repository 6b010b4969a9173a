# frozen_string_literal: true

require_relative "steady_load"

# Compares the answers that another tenant gets during an attack with those before it.
module Unharmed
  TRIES = 4
  # Seconds, beyond twice the latency before: what a busy machine needs.
  ALLOWANCE = 0.5
  COUNT = 100
  LEAST = 20

  # Calls the block while requests come. All are answered with 200, before and during the block. The
  # slowest hundredth takes at most twice as long during it as before, in one of several tries.
  def assert_unharmed(client, path = "/", &attack)
    figures = []
    TRIES.times do
      before = answers(client, path, COUNT) { nil }
      during = answers(client, path, LEAST, &attack)
      figures << [before, during].map { |latencies| slowest(latencies).round(4) }
      return if figures.last.last <= 2 * figures.last.first + ALLOWANCE
    end
    flunk "p99 before and during the attack, in seconds: #{figures}"
  end

  private

  # Latencies of the requests during the block, at least as many as said for each client after it.
  def answers(client, path, count)
    all = SteadyLoad.during(client, path, threads: 2) do |load|
      load.wait_for_all("an answer")
      yield
      load.wait_for_all("answers", count: count)
    end
    bad = all.reject { |answer| answer.code == 200 }
    assert_empty bad.first(5), "#{bad.size} of #{all.size} requests of the other tenant"
    all.map(&:latency)
  end

  def slowest(latencies)
    latencies.sort[(latencies.size - 1) * 99 / 100]
  end
end
