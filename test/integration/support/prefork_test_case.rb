# frozen_string_literal: true

require "minitest"
require_relative "prefork_command"
require_relative "steady_load"

# A test class for passenger-prefork: each test has one of its own, and fails where one of its
# processes is left.
class PreforkTestCase < Minitest::Test
  include Eventually

  # A client that keeps a connection for each thread, as SteadyLoad wants it.
  class KeepingClient
    def initialize(port)
      @port = port
    end

    def get(path)
      http = Thread.current[:prefork_http] ||= Net::HTTP.new("127.0.0.1", @port).tap do |made|
        made.open_timeout = made.read_timeout = 60
      end
      http.max_retries = 0
      http.start unless http.started?
      http.get(path)
    rescue StandardError
      Thread.current[:prefork_http] = nil
      raise
    end
  end

  def command(*arguments, app: PreforkCommand::HELLO, **options)
    @command = PreforkCommand.new(app)
    @command.start(*arguments, **options)
  end

  # So many workers, neither more nor fewer.
  def fixed(count)
    ["--start", count.to_s, "--min-spare", count.to_s, "--max-spare", count.to_s, "--max-clients",
     count.to_s]
  end

  def load_on(command, path = "/", threads: 4, &block)
    SteadyLoad.during(KeepingClient.new(command.port), path, threads: threads, &block)
  end

  def assert_all_fine(answers)
    bad = answers.reject { |answer| answer.code == 200 }
    assert_empty bad.map { |answer| [answer.code, answer.body] }.uniq, "of #{answers.size}"
    refute_empty answers
  end

  def teardown
    return unless @command

    log = @command.log
    left = @command.stop
    warn "#{name} failed; the log:\n#{log}" unless passed?
    assert_empty left, "left behind"
  end
end
