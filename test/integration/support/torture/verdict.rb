# frozen_string_literal: true

# Judges what became of requests while a storm raged: whether each was answered with what it asked for, or had bad luck
# that one of the storm's kills explains, and whether any ran more often than it may.
class Verdict
  # When, and in which process, a request ran.
  Run = Struct.new(:pid, :at, keyword_init: true)

  attr_reader :exchanges, :explained

  # `runs_file`: what the nonce application noted. `threads`: so many requests one instance has in its hands.
  def initialize(exchanges, deaths, runs_file, threads)
    @exchanges = exchanges
    @deaths = deaths.group_by(&:kind)
    @deaths.default = [].freeze
    # So many more failures each of the killed instances explains.
    @hands = @deaths[:instance].to_h { |death| [death, threads] }.compare_by_identity
    @runs = read_runs(runs_file)
    @explained = explain
  end

  # Sentences, one for each promise that was broken.
  def problems
    wrong + stuck + repeated + lost
  end

  def to_s
    counts = explained.map { |why, some| "#{some.size} #{why} (#{some.map(&:outcome).tally})" }
    format("%d requests, %d answered, longest %.2f s; failed: %s", exchanges.size, exchanges.size - failures.size,
           exchanges.map(&:seconds).max.to_f, counts.empty? ? "none" : counts.join(", "))
  end

  private

  def read_runs(file)
    File.readlines(file, chomp: true).each_with_object(Hash.new { [].freeze }) do |line, runs|
      nonce, pid, at = line.split
      runs[nonce] += [Run.new(pid: pid.to_i, at: at.to_f)]
    end
  end

  # Those first of which it is known who had them; of the others those that ended first, for they have the least choice.
  def explain
    failures.sort_by { |exchange| [@runs[exchange.nonce].empty? ? 1 : 0, exchange.ended] }.group_by { |exchange| reason(exchange) }
  end

  def failures
    @failures ||= exchanges.reject { |exchange| exchange.outcome == 200 }
  end

  def wrong
    exchanges.select { |exchange| exchange.wrong || (exchange.outcome == 200 && @runs[exchange.nonce].empty?) }
             .map { |exchange| "answered wrongly: #{exchange}" }
  end

  def stuck
    exchanges.select { |exchange| exchange.outcome == :stuck }.map { |exchange| "stuck: #{exchange}" }
  end

  # What was begun may be begun once more if it is a GET.
  def repeated
    exchanges.select { |exchange| @runs[exchange.nonce].size > (exchange.post ? 1 : 2) }
             .map { |exchange| "ran #{@runs[exchange.nonce].size} times: #{exchange}" }
  end

  def lost
    explained.fetch(nil, []).map { |exchange| "failed for no reason: #{exchange}; ran #{@runs[exchange.nonce]}" }
  end

  def reason(exchange)
    return :with_a_killed_child if with_a_killed_child?(exchange)

    runs = @runs[exchange.nonce]
    return :run_by_a_killed_instance if runs.any? && in_killed_hands?(exchange, runs)

    # Between its claim and the application's note.
    :claimed_by_a_killed_instance if runs.empty? && exchange.outcome == 502 &&
                                     in_the_hands_of(@deaths[:instance].select { |death| during?(death, exchange) })
  end

  def with_a_killed_child?(exchange)
    exchange.outcome == :cut &&
      @deaths[:child].any? { |death| during?(death, exchange) && death.ports.include?(exchange.port) }
  end

  # All that ran it were killed at it, the last of them without another one's having it in its hands.
  def in_killed_hands?(exchange, runs)
    return false unless [502, :cut].include?(exchange.outcome)

    killers = runs.map { |run| @deaths[:instance].find { |death| death.pid == run.pid && run.at <= death.at } }
    killers.all? { |death| death && during?(death, exchange) } && in_the_hands_of(killers.last(1))
  end

  # One of these had it, among the few that it can have had.
  def in_the_hands_of(deaths)
    death = deaths.find { |one| @hands[one].positive? } or return false
    @hands[death] -= 1
    true
  end

  # The client asked before, and learned of its failure afterwards.
  def during?(death, exchange)
    exchange.asked <= death.at && death.from <= exchange.ended
  end
end
