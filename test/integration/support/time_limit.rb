# frozen_string_literal: true

require "minitest"

# A test that takes too long fails, and prints where each of its threads waits. Without this a test
# that hangs would end with the whole run, and nobody would know which one it was.
module TimeLimit
  # No test needs so long, even on a busy machine.
  SECONDS = Integer(ENV.fetch("TEST_LIMIT_SECONDS", 600))
  # How long the test has for its clean-up, twice. After that its process ends.
  GRACE = Integer(ENV.fetch("TEST_GRACE_SECONDS", 60))

  # With one of these a test lasts as long as its caller wants.
  LENGTHS = %w[PASSENGER_TEST_SOAK PASSENGER_TORTURE_SECONDS PASSENGER_TEST_RELOADS
               PASSENGER_TEST_STORM PASSENGER_TEST_CONNECTIONS PASSENGER_TEST_BUDGET
               PASSENGER_TEST_WEIGHTS].freeze

  # No StandardError: a test that rescues those must not take it for its own.
  class Exceeded < Exception; end # rubocop:disable Lint/InheritException

  def run
    return super if LENGTHS.any? { |name| ENV.key?(name) }

    watcher = TimeLimit.watch("#{self.class}##{name}", Thread.current)
    super
  ensure
    watcher&.kill&.join
  end

  def self.watch(name, test)
    Thread.new do
      [SECONDS, GRACE, GRACE].each do |seconds|
        sleep seconds
        report(name)
        test.raise(Exceeded, "#{name} has not ended in time (#{SECONDS} s)")
      end
      sleep GRACE
      warn "#{name} does not end; its process ends"
      exit!(1)
    end
  end

  def self.report(name)
    warn "#{name} has not ended in time. Its threads:"
    (Thread.list - [Thread.current]).each do |thread|
      warn "  #{thread.inspect}", Array(thread.backtrace).map { |line| "    #{line}" }
    end
  end
end

Minitest::Test.prepend(TimeLimit)
