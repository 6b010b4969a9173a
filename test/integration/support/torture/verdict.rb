# frozen_string_literal: true

# Judges what became of requests while a storm raged: whether each was answered with what it asked for, or had bad luck
# that one of the storm's kills explains, and whether any ran more often than it may.
class Verdict
  # So much later a client may learn what a kill did to its request.
  SLACK = 1.0

  # When, and in which process, a request ran.
  Run = Struct.new(:pid, :at, keyword_init: true)

  attr_reader :exchanges, :explained

  # `runs_file`: what the nonce application noted. `threads`: so many
  # requests one instance has in its hands.
  def initialize(exchanges, deaths, runs_file, threads)
    @exchanges = exchanges
    @deaths = deaths.group_by(&:kind)
    @deaths.default = [].freeze
    @threads = threads
    @runs = read_runs(runs_file)
    @explained = failures.group_by { |exchange| reason(exchange) }
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
    unknown = explained.fetch(nil, []).map { |exchange| "failed for no reason: #{exchange}; ran #{@runs[exchange.nonce]}" }
    claimed = explained.fetch(:claimed_by_a_killed_instance, [])
    # Between its claim and the application's note.
    unknown << "#{claimed.size} requests had not run, too many" if claimed.size > @deaths[:instance].size * @threads
    unknown
  end

  def reason(exchange)
    return :with_a_killed_child if with_a_killed_child?(exchange)

    runs = @runs[exchange.nonce]
    return :run_by_a_killed_instance if runs.any? && runs.all? { |run| killed?(run) }
    return if runs.any?

    :claimed_by_a_killed_instance if exchange.outcome == 502 && died_during?(:instance, exchange)
  end

  def with_a_killed_child?(exchange)
    exchange.outcome == :cut &&
      @deaths[:child].any? { |death| during?(death, exchange) && death.ports.include?(exchange.port) }
  end

  def killed?(run)
    @deaths[:instance].any? { |death| death.pid == run.pid && death.at >= run.at }
  end

  def died_during?(kind, exchange)
    @deaths[kind].any? { |death| during?(death, exchange) }
  end

  def during?(death, exchange)
    death.at.between?(exchange.asked - SLACK, exchange.ended + SLACK)
  end
end
