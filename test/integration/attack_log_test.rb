# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# An application prints as much as it can. The log gets a part of it, and the pool process does
# little more than without it.
class AttackLogTest < IntegrationTest
  include Unharmed

  # PassengerMaxLogLinesPerSecond, on average over INTERVAL seconds.
  MOST = 10
  INTERVAL = 10
  SECONDS = 5
  PRINTED = /App \d+ output: x/.freeze

  serve do |made|
    made.site("attacker.test", SampleApps.copy("attack_app"),
              "PassengerMinInstances 1\nPassengerMaxLogLinesPerSecond #{MOST}\n")
    # The first lines of an interval reach the log, so this application prints for one test.
    made.site("full.test", SampleApps.copy("attack_app"), "PassengerMaxLogLinesPerSecond #{MOST}\n")
    made.site("other.test", SampleApps.rack)
  end

  def setup
    %w[attacker.test other.test].each do |site|
      assert_equal 200, server.client(site).get("/hello").code.to_i
    end
  end

  def test_the_log_gets_the_first_lines_the_last_one_and_the_number_of_those_between
    processor, elapsed, bytes = flood
    assert_operator bytes, :>, 1_000_000
    # It was 0.09 of the time, and 0.6 where each line was looked at.
    assert_operator processor, :<, elapsed * 0.3, "seconds of the processor in the pool process"
    cut = server.log.wait_for(/event=output\.cut/, from: @log_position)
    assert_match(/app="[^"]*" lines=\d+ directive=PassengerMaxLogLinesPerSecond limit=#{MOST}/, cut)
    server.log.wait_for(/App \d+ output: the last line/, from: @log_position)
    intervals = elapsed / INTERVAL + 2
    assert_operator server.log.count(PRINTED, @log_position), :<=, intervals * (MOST * INTERVAL + 1)
    assert_equal 200, server.client("other.test").get("/hello").code.to_i
  end

  def test_an_application_that_prints_as_much_as_it_can_harms_no_other_application
    assert_unharmed(server.client("other.test"), "/hello") { flood }
  end

  # LimitFSIZE= of a service, or ulimit -f. The kernel sends SIGXFSZ.
  def test_a_log_that_reaches_the_limit_of_a_files_size_ends_no_process
    # The limit also holds for shared memory, which is smaller.
    limit = 16 << 20
    File.truncate(server.log.path, limit)
    position = server.log.position
    pool = server.tree.matching(/passenger-agent pool/).first.pid
    print = ->(seconds) { server.client("full.test").get("/print?seconds=#{seconds}") }
    assert_equal 200, server.client("full.test").get("/hello").code.to_i
    ProcessInfo.limit(pool, "fsize", limit)
    assert_equal 200, print.call(1).code.to_i
    ProcessInfo.limit(pool, "fsize", "unlimited")
    assert_equal 200, print.call(0).code.to_i
    server.log.wait_for(/event=log\.dropped lines=[1-9]/, from: position)
    assert_equal pool, server.tree.matching(/passenger-agent pool/).first.pid
  end

  # The default of SIGXFSZ would end httpd's parent without a word.
  def test_httpd_starts_although_the_limit_of_a_files_size_is_below_its_shared_memory
    made = configuration { |one| one.file_size_limit = 64 << 10 }
    with_server(made) do |own|
      assert_equal 200, own.client.get("/hello").code.to_i
      own.log.wait_for(/event=spool\.not_counted reason="RLIMIT_FSIZE is 67108864, .*LimitFSIZE=/)
    end
  end

  private

  # The seconds that the pool process used, the seconds that passed, and the bytes printed.
  def flood
    before = processor_time
    began = monotonic
    bytes = server.client("attacker.test", timeout: 60).get("/print?seconds=#{SECONDS}").body.to_i
    [processor_time - before, monotonic - began, bytes]
  end

  def processor_time
    pool = server.tree.matching(/passenger-agent pool/).first
    times = File.read("/proc/#{pool.pid}/stat").split(") ").last.split
    (times[11].to_i + times[12].to_i) / Etc.sysconf(Etc::SC_CLK_TCK).to_f
  end
end
