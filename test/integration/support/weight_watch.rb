# frozen_string_literal: true

require_relative "eventually"

# The weights that HAProxy gives to the hosts, over time.
class WeightWatch
  EVERY = 0.25
  # From so many seconds on the weights are at rest.
  REST = 10
  # A change of less than this is none: two steps of the agent-check.
  STEP = 10

  Look = Struct.new(:at, :weights)

  def initialize(haproxy, names)
    @looks = []
    @over = false
    @thread = Thread.new do
      until @over
        @looks << Look.new(Eventually.monotonic, names.to_h { |name| [name, haproxy.weight(name)] })
        sleep EVERY
      end
    end
  end

  def stop
    @over = true
    @thread.join
  end

  # Seconds from the time until the block is true for the host's weight, as a part of the mean of
  # the others'; nil: it never was.
  def after(time, name)
    @looks.dup.find { |look| look.at >= time && yield(part_in(look, name)) }&.then do |look|
      look.at - time
    end
  end

  # The same from REST seconds after the first time until the second one.
  def mean_part(name, from, till)
    parts = looks_at_rest(from, till).map { |look| part_in(look, name) }
    parts.sum / parts.size
  end

  # Of a host from REST seconds after the first time until the second one.
  def weights(name, from, till)
    looks_at_rest(from, till).map { |look| look.weights[name] }
  end

  # How often they turn by STEP or more: rise after they have fallen, or the other way around.
  def self.turns(weights)
    turns = 0
    direction = 0
    peak = weights.first
    weights.each do |weight|
      peak = weight if (weight - peak) * direction > 0
      next if (weight - peak).abs < STEP

      turns += 1 if direction != 0
      direction = weight <=> peak
      peak = weight
    end
    turns
  end

  private

  def looks_at_rest(from, till)
    @looks.dup.select { |look| look.at >= from + REST && look.at < till }
  end

  def part_in(look, name)
    others = look.weights.reject { |other, _| other == name }.values
    look.weights[name] / (others.sum / others.size.to_f)
  end
end
