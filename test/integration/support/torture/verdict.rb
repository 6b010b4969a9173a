# frozen_string_literal: true

# Judges the requests of a storm. Each must have its own answer, or a failure that one of the
# storm's kills explains. No request may run more often than allowed.
class Verdict
  # The time and the process in which a request ran.
  Run = Struct.new(:pid, :at, keyword_init: true)

  attr_reader :exchanges, :explained

  # `runs_file`: the runs that the nonce application has noted. `threads`: the number of requests
  # that an instance works at.
  def initialize(exchanges, deaths, runs_file, threads)
    @exchanges = exchanges
    @deaths = deaths.group_by(&:kind)
    @deaths.default = [].freeze
    # The number of further failures that the death of each instance explains.
    @hands = @deaths[:instance].to_h { |death| [death, threads] }.compare_by_identity
    @runs = read_runs(runs_file)
    @explained = explain
  end

  # Returns a sentence for each broken promise.
  def problems
    wrong + stuck + repeated + lost
  end

  def to_s
    counts = explained.map { |why, some| "#{some.size} #{why} (#{some.map(&:outcome).tally})" }
    format("%d requests, %d answered, longest %.2f s; failed: %s", exchanges.size,
           exchanges.size - failures.size,
           exchanges.map(&:seconds).max.to_f, counts.empty? ? "none" : counts.join(", "))
  end

  private

  def read_runs(file)
    File.readlines(file, chomp: true).each_with_object(Hash.new { [].freeze }) do |line, runs|
      nonce, pid, at = line.split
      runs[nonce] += [Run.new(pid: pid.to_i, at: at.to_f)]
    end
  end

  # First the requests whose instance is known. Of the others, those that ended first come first:
  # fewest deaths can explain them.
  def explain
    failures.sort_by { |exchange| [@runs[exchange.nonce].empty? ? 1 : 0, exchange.ended] }
      .group_by { |exchange| reason(exchange) }
  end

  def failures
    @failures ||= exchanges.reject { |exchange| exchange.outcome == 200 }
  end

  def wrong
    exchanges.select do |exchange|
      exchange.wrong || (exchange.outcome == 200 && @runs[exchange.nonce].empty?)
    end
             .map { |exchange| "answered wrongly: #{exchange}" }
  end

  def stuck
    exchanges.select { |exchange| exchange.outcome == :stuck }
      .map { |exchange| "stuck: #{exchange}" }
  end

  # A GET that was begun may be begun once more.
  def repeated
    exchanges.select { |exchange| @runs[exchange.nonce].size > (exchange.post ? 1 : 2) }
             .map { |exchange| "ran #{@runs[exchange.nonce].size} times: #{exchange}" }
  end

  def lost
    explained.fetch(nil, []).map do |exchange|
      "failed for no reason: #{exchange}; ran #{@runs[exchange.nonce]}"
    end
  end

  def reason(exchange)
    return :with_a_killed_child if with_a_killed_child?(exchange)

    runs = @runs[exchange.nonce]
    return :run_by_a_killed_instance if runs.any? && in_killed_hands?(exchange, runs)

    # Killed between its claim and the application's note.
    :claimed_by_a_killed_instance if runs.empty? && exchange.outcome == 502 &&
                                     in_the_hands_of(@deaths[:instance]
                                                       .select { |death| during?(death, exchange) })
  end

  def with_a_killed_child?(exchange)
    exchange.outcome == :cut &&
      @deaths[:child].any? do |death|
        during?(death, exchange) && death.ports.include?(exchange.port)
      end
  end

  # All instances that ran the request were killed during it, and the last of them still had it.
  def in_killed_hands?(exchange, runs)
    return false unless [502, :cut].include?(exchange.outcome)

    killers = runs.map do |run|
      @deaths[:instance].find { |death| death.pid == run.pid && run.at <= death.at }
    end
    killers.all? { |death| death && during?(death, exchange) } && in_the_hands_of(killers.last(1))
  end

  # True if one of these deaths can explain a further failure.
  def in_the_hands_of(deaths)
    death = deaths.find { |one| @hands[one].positive? } or return false
    @hands[death] -= 1
    true
  end

  # The client sent the request before the death, and saw the failure after it.
  def during?(death, exchange)
    exchange.asked <= death.at && death.from <= exchange.ended
  end
end
