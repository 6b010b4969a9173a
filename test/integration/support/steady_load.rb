# frozen_string_literal: true

require_relative "eventually"

# Clients that ask again and again, each in a thread of its own, until the block has ended; and what became of each request.
class SteadyLoad
  # Seconds between an answer and the next question: what is refused at once would be asked thousands of times else.
  PAUSE = 0.005

  # `code` is nil if no answer came; then `body` says why. Times by the monotonic clock, in seconds.
  Answer = Struct.new(:code, :body, :asked, :answered, keyword_init: true) do
    def latency
      answered - asked
    end
  end

  # Returns what was answered while the block ran, in the order of the questions.
  def self.during(client, path = "/", threads: 2)
    load = new(client, path, threads)
    yield load
    load.stop
  ensure
    load&.stop
  end

  def initialize(client, path, threads)
    @client = client
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

  # Those until now.
  def answers
    @answers.flat_map(&:dup).sort_by(&:asked)
  end

  # Waits until a new question has been answered so.
  def wait_for(what, within: 60, &fits)
    seen = @answers.map(&:size)
    Eventually.eventually(what, within: within) do
      @answers.zip(seen).any? { |answers, old| answers.drop(old).any?(&fits) }
    end
  end

  # Waits until each of the clients has had so many answers to what it asks from now on.
  def wait_for_all(what, count: 1, within: 60)
    began = Eventually.monotonic
    Eventually.eventually(what, within: within) do
      @answers.all? { |answers| answers.last(count).count { |answer| answer.asked > began } == count }
    end
  end

  private

  def repeat(answers)
    until @stopped
      answers << ask
      sleep PAUSE
    end
  end

  def ask
    asked = Eventually.monotonic
    response = @client.get(@path)
    Answer.new(code: response.code.to_i, body: response.body, asked: asked, answered: Eventually.monotonic)
  rescue SystemCallError, IOError, Timeout::Error, Net::ProtocolError => e
    Answer.new(body: "#{e.class}: #{e.message}", asked: asked, answered: Eventually.monotonic)
  end
end
