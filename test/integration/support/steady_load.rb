# frozen_string_literal: true

require_relative "eventually"

# Clients that send requests, each in a thread of its own, until the block has ended; and the answer
# to each request.
class SteadyLoad
  # Seconds between an answer and the next request. Without it, a client would send thousands of
  # requests that are refused at once.
  PAUSE = 0.02

  # `code` is nil if no answer arrived; then `body` says why. Times are seconds of the monotonic
  # clock.
  Answer = Struct.new(:code, :body, :asked, :answered, keyword_init: true) do
    def latency
      answered - asked
    end
  end

  # Returns the answers while the block ran, in the order of the requests.
  def self.during(client, path = "/", threads: 2, pause: PAUSE)
    load = new(client, path, threads, pause: pause)
    yield load
    load.stop
  ensure
    load&.stop
  end

  def initialize(client, path, threads, pause: PAUSE)
    @client = client
    @pause = pause
    @path = path
    @stopped = false
    @answers = Array.new(threads) { [] }
    @threads = @answers.map { |answers| Thread.new { repeat(answers) } }
  end

  def stop
    @stopped = true
    @threads.each(&:join)
    answers
  end

  # The answers so far.
  def answers
    @answers.flat_map(&:dup).sort_by(&:asked)
  end

  # Each client has an answer to a request that it sent after the block. Returns the longest time
  # that a request took which was answered since the block began: the silence that a client sees.
  def longest
    began = Eventually.monotonic
    yield
    wait_for_all("answers")
    answers.select { |answer| answer.answered > began }.map(&:latency).max
  end

  # Waits until the answer to a new request fits.
  def wait_for(what, within: 60, &fits)
    seen = @answers.map(&:size)
    Eventually.eventually(what, within: within) do
      @answers.zip(seen).any? { |answers, old| answers.drop(old).any?(&fits) }
    end
  end

  # Waits until each client has had `count` answers to requests that it sends from now on.
  def wait_for_all(what, count: 1, within: 60)
    began = Eventually.monotonic
    Eventually.eventually(what, within: within) do
      @answers.all? do |answers|
        answers.last(count).count { |answer| answer.asked > began } == count
      end
    end
  end

  private

  def repeat(answers)
    until @stopped
      answers << ask
      sleep @pause
    end
  end

  def ask
    asked = Eventually.monotonic
    response = @client.get(@path)
    Answer.new(code: response.code.to_i, body: response.body, asked: asked,
               answered: Eventually.monotonic)
  rescue SystemCallError, IOError, Timeout::Error, Net::ProtocolError => e
    Answer.new(body: "#{e.class}: #{e.message}", asked: asked, answered: Eventually.monotonic)
  end
end
