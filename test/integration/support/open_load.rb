# frozen_string_literal: true

require_relative "eventually"

# Requests in an open loop: the next one is sent at its time, whether or not those before are
# answered. The block gets the number of a request and the time at which it is due, sends it, and
# returns what became of it.
class OpenLoad
  MOST = 3_000

  attr_reader :begun

  def initialize(rate, most: MOST, &send)
    @rate = rate.to_f
    @begun = 0
    @stopped = false
    @requests = []
    @clock = Thread.new do
      start = Eventually.monotonic
      until @stopped || @begun == most
        due = start + (@begun / @rate)
        sleep [due - Eventually.monotonic, 0].max
        @requests << Thread.new(@begun, due, &send).tap { |one| one[:begun] = due }
        @begun += 1
      end
    end
  end

  def wait_for(number)
    time = Eventually::LIMIT + ((number - begun) / @rate)
    Eventually.eventually("#{number} requests", within: time) { @begun >= number }
  end

  def wait_for_more(number)
    wait_for(begun + number)
  end

  # Until all requests that were sent before the time are answered.
  def wait_for_answers(time)
    Eventually.eventually("answers", within: 90) do
      @requests.dup.none? { |one| one[:begun] < time && one.alive? }
    end
  end

  # Returns all of them.
  def stop
    @stopped = true
    @clock.join
    @requests.map(&:value)
  end
end
