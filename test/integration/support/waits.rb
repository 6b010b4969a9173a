# frozen_string_literal: true

# How long requests of an open load wait before something happens, and from some seconds after it
# on. The wait begins when the request is due, so a client that is late hides nothing.
class Waits
  # Seconds.
  AFTER = 3
  # The first requests find cold processes.
  WARM = 1
  # The 99th percentile may grow so much.
  FACTOR = 2
  LEAST = 100
  # A client that sends its requests later than by so many seconds shares the machine with others.
  LATE = 0.1

  attr_reader :problems
  # Problems that have nothing to do with waits: other work excuses none of them.
  attr_accessor :others

  # `sent`: with `due`, `asked` and `answered`. `event`: its time.
  def initialize(sent, event)
    first = sent.map(&:due).min
    early, late = sent.partition { |one| one.due < event }
    @before = early.reject { |one| one.due < first + WARM || one.answered > event }
    @after = late.select { |one| one.due > event + AFTER }
    @lateness = p99(sent.map { |one| one.asked - one.due })
    @problems = []
    @others = []
    if !enough?
      @problems << "too few requests: #{self}"
    elsif ratio > FACTOR
      @problems << "requests wait too long: #{self}"
    end
  end

  # Whether other work may be the cause of long waits, or of few requests.
  def disturbed?
    @lateness > LATE
  end

  def ratio
    p99(waits(@after)) / p99(waits(@before))
  end

  def to_s
    return "#{@before.size} requests before, #{@after.size} after" unless enough?

    format("p99 %<before>.3f s of %<early>d requests before, %<after>.3f s of %<late>d after " \
           "%<seconds>d s: %<ratio>.2f times%<disturbed>s",
           before: p99(waits(@before)), early: @before.size, after: p99(waits(@after)),
           late: @after.size, seconds: AFTER, ratio: ratio,
           disturbed: disturbed? ? ", disturbed" : "")
  end

  private

  def enough?
    [@before, @after].all? { |sent| sent.size >= LEAST }
  end

  def waits(sent)
    sent.map { |one| one.answered - one.due }
  end

  # The value that 99 of 100 do not exceed.
  def p99(values)
    values.sort[(values.size * 0.99).ceil - 1]
  end
end
