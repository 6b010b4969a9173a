# frozen_string_literal: true

require "net/http"

require_relative "eventually"

# Clients that request one path again and again on kept connections, like browsers. If a connection
# closes instead of an answer, the client opens another and repeats the request once. A failure on a
# new connection counts.
class ReopeningClients
  CLOSED = [EOFError, Errno::ECONNRESET, Errno::EPIPE].freeze

  # Failures as sentences.
  attr_reader :failures

  def initialize(server, site, path, count, pause:)
    @pause = pause
    @server = server
    @site = site
    @path = path
    @stopped = false
    @answers = Array.new(count) { [] }
    @failures = []
    @threads = @answers.map { |answers| Thread.new { repeat(answers) } }
  end

  def stop
    @stopped = true
    @threads.each(&:join)
    self
  end

  def answered
    @answers.sum(&:size)
  end

  # The longest gap without any answer that ended in each of the spans between `bounds`.
  def silences(bounds)
    gaps = @answers.flatten.sort.each_cons(2).map { |before, after| [after, after - before] }
    bounds.each_cons(2).map do |from, to|
      gaps.filter_map { |at, gap| gap if at.between?(from, to) }.max || to - from
    end
  end

  private

  def repeat(answers)
    until @stopped
      problem = ask
      problem ? @failures << "#{@path}: #{problem}" : answers << Eventually.monotonic
      sleep @pause
    end
  ensure
    close(Thread.current[:connection])
  end

  # Returns a sentence about a failure, or nil.
  def ask
    used = Thread.current[:connection]
    code = get(used || open)
    code == "200" ? nil : "status #{code}"
  rescue *CLOSED => e
    close(Thread.current[:connection])
    Thread.current[:connection] = nil
    used ? retry : "#{e.class} on a new connection"
  rescue SystemCallError, Timeout::Error, Net::ProtocolError => e
    close(Thread.current[:connection])
    Thread.current[:connection] = nil
    "#{e.class}: #{e.message}"
  end

  def get(connection)
    response = connection.request(Net::HTTP::Get.new(@path, "Host" => "#{@site}:#{@server.port}"))
    if response["Connection"] == "close"
      close(connection)
      Thread.current[:connection] = nil
    end
    response.code
  end

  def open
    connection = Net::HTTP.new("127.0.0.1", @server.port)
    connection.max_retries = 0
    connection.keep_alive_timeout = 60
    connection.read_timeout = 60
    Thread.current[:connection] = connection.start
  end

  def close(connection)
    connection&.finish if connection&.started?
  rescue IOError
    nil
  end
end
