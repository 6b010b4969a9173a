# frozen_string_literal: true

require_relative "eventually"
require_relative "steady_load"

# Compares the answers that another tenant gets during an attack with those before it, in windows
# with and without the attack by turns.
module Unharmed
  # Windows of each kind, at most.
  WINDOWS = 7
  # Seconds, beyond twice the latency before: a stall of a busy machine.
  ALLOWANCE = 0.05 * Eventually::PATIENCE
  COUNT = 100
  LEAST = 20
  # Seconds between an answer and the next request in windows without the attack.
  PAUSE = 0.005
  # Seconds: a window without the attack that is slower than this tells nothing.
  QUIET = 0.1 * Eventually::PATIENCE

  # Calls the block while requests come. All are answered with 200, before and during the block. The
  # slowest hundredth takes at most twice as long during it as before. A machine that is busy with
  # something else makes some windows slow: so further ones follow if this is not so, and the
  # medians of the quiet ones count. On a machine that is always busy a window is quiet by chance
  # only, and the one beside it is not: so in the end the medians of all count, too. Before each
  # window without the attack `reset` ends the attack before.
  def assert_unharmed(client, path = "/", reset: -> {}, &attack)
    figures = []
    until unharmed?(figures)
      if figures.size == WINDOWS
        flunk "p99 before and during the attack, in seconds: #{figures.inspect}"
      end
      reset.call
      before = answers(client, path, COUNT, pause: PAUSE) { nil }
      during = answers(client, path, LEAST, &attack)
      figures << [before, during].map { |latencies| slowest(latencies).round(4) }
    end
  end

  private

  # `figures`: pairs of the slowest latencies without and with the attack.
  def unharmed?(figures)
    quiet = figures.select { |before, _| before <= QUIET }
    as_quick?(quiet) || (figures.size == WINDOWS && as_quick?(figures))
  end

  def as_quick?(figures)
    before, during = figures.transpose.map { |all| all.sort[all.size / 2] }
    !before.nil? && during <= 2 * before + ALLOWANCE
  end

  # Latencies of the requests during the block, at least as many as said for each client after it.
  def answers(client, path, count, pause: SteadyLoad::PAUSE)
    all = SteadyLoad.during(client, path, threads: 2, pause: pause) do |load|
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
