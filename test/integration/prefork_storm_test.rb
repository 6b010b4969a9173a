# frozen_string_literal: true

require_relative "support/prefork_test_case"

# passenger-prefork while workers are killed all the time, and while load comes and goes.
# PASSENGER_TEST_STORM is the number of seconds; 20 is the long form.
class PreforkStormTest < PreforkTestCase
  SECONDS = Integer(ENV.fetch("PASSENGER_TEST_STORM", "4"))
  CLIENTS = 64
  # All connections have a request in work, and the processors wait.
  BRIEF = 'run lambda { |_env| sleep 0.005; [200, { "Content-Type" => "text/plain" }, ["ok"]] }'
  KILL_EVERY = 0.2
  # In seconds: the limit for following a change of the load. The long form is for a machine without
  # other work.
  FOLLOW = SECONDS >= 20 ? 2 : 60
  # In seconds: a request without an answer for this time has failed.
  PATIENCE = SECONDS >= 20 ? 5 : 60

  def test_killed_workers_fail_only_their_requests_in_work
    skip "install the package wrk" unless system("command -v wrk >/dev/null")

    made = command(*fixed(4), app: BRIEF)
    held = []
    found = wrk_on(made, enough: -> { held.size > SECONDS }) do
      kill_one_of(made)&.then { |connections| held << connections }
    end
    kills = held.size
    in_work = held.sum
    summary = "#{found} of #{kills} kills, which had #{in_work} connections"
    warn "storm: #{summary}" if ENV["PASSENGER_TEST_STORM"]
    assert_operator kills, :>, SECONDS
    assert_equal [0, 0], found.values_at(:timeout, :status), summary
    assert_operator found[:read] + found[:write] + found[:connect], :<=, in_work, summary
    # Where workers start slowly, few are left that answer.
    assert_operator found[:requests], :>, CLIENTS, summary
    eventually("four workers again") { made.status.values_at("free", "busy").sum == 4 }
    assert_equal "200", made.get.code
  end

  # Clients that keep their connections, and clients with a new connection for each request.
  { "kept" => [], "new" => ["-H", "Connection: close"] }.each do |connections, options|
    define_method("test_restarts_fail_no_request_of_#{connections}_connections") do
      skip "install the package wrk" unless system("command -v wrk >/dev/null")

      made = command(*fixed(2), app: BRIEF)
      asked = 0
      wanted = [SECONDS / 4, 1].max
      found = wrk_on(made, *options, enough: -> { restarts_of(made) >= wanted }) do
        restarts_of(made) == asked && made.signal(:HUP) && (asked += 1)
      end
      summary = "#{found} during #{restarts_of(made)} restarts"
      warn "restarts, #{connections} connections: #{summary}" if ENV["PASSENGER_TEST_STORM"]
      assert_operator restarts_of(made), :>=, wanted, summary
      assert_equal [0] * 5, found.values_at(:connect, :read, :write, :timeout, :status), summary
      assert_operator found[:requests], :>, CLIENTS * SECONDS, summary
    end
  end

  def restarts_of(made)
    made.log.scan("event=prefork.restarted").size
  end

  # The results of wrk. Meanwhile the block is called again and again, for SECONDS or longer.
  def wrk_on(made, *options, enough:)
    output = File.join(made.folder, "wrk")
    wrk = Process.spawn("wrk", "-t1", "-c#{CLIENTS}", "-d#{SECONDS + 60}", "--timeout",
                        PATIENCE.to_s, *options, "http://127.0.0.1:#{made.port}/",
                        out: output)
    rounds = (SECONDS / KILL_EVERY).floor
    1.upto(rounds + (50 / KILL_EVERY).floor) do |number|
      sleep KILL_EVERY
      yield
      break if number >= rounds && enough.call
    end
    eventually("wrk's handler") do
      handled = File.read("/proc/#{wrk}/status")[/^SigCgt:\s*(\h+)/, 1].hex
      handled.anybits?(1 << (Signal.list["INT"] - 1))
    end
    Process.kill(:INT, wrk)
    _, wrk = Process.wait(wrk), nil
    read_report(File.read(output))
  ensure
    wrk&.then { |pid| Process.kill(:KILL, pid) && Process.wait(pid) }
  end

  def read_report(text)
    errors = %i[connect read write timeout].to_h { |kind| [kind, text[/#{kind} (\d+)/, 1].to_i] }
    errors.merge(status: text[/Non-2xx or 3xx responses: (\d+)/, 1].to_i,
                 requests: text[/(\d+) requests in/, 1].to_i)
  end

  # The number of connections of the killed worker, which was stopped before; nil without a worker
  # to kill.
  def kill_one_of(made)
    pid = made.workers.sample or return
    ProcessInfo.stop(pid)
    eventually("a worker that stands still") do
      ProcessInfo.read(pid).then { |process| process.nil? || process.state == "T" }
    end
    connections_of(pid, made.port).tap { Process.kill(:KILL, pid) }
  rescue Errno::ESRCH
    nil
  end

  ESTABLISHED = %w[01 08].freeze # and those that the client has closed

  def connections_of(pid, port)
    local = format(":%04X", port)
    sockets = File.readlines("/proc/net/tcp").drop(1).map(&:split).select do |line|
      line[1].end_with?(local) && ESTABLISHED.include?(line[3])
    end
    inodes = sockets.map { |line| "socket:[#{line[9]}]" }
    (Dir.children("/proc/#{pid}/fd")
       .filter_map { |number| File.readlink("/proc/#{pid}/fd/#{number}") } & inodes).size
  rescue Errno::ENOENT
    0
  end

  # Five requests, none, five, and so on.
  def test_spare_workers_follow_a_square_wave
    made = command("--start", "2", "--min-spare", "2", "--max-spare", "3", "--max-clients", "8",
                   app: PreforkCommand::HOLDING)
    follow_times = Array.new([SECONDS / 2, 2].max) do
      made.hold
      clients = Array.new(5) { made.raw.request("GET", "/held") }
      up = followed(made, 5)
      made.go_on
      clients.each { |client| client.response && client.close }
      [up, followed(made, 0)]
    end
    if ENV["PASSENGER_TEST_STORM"]
      warn "square wave: seconds to follow, up and down: #{follow_times.inspect}"
    end
    assert_operator follow_times.flatten.max, :<=, FOLLOW
  end

  # More requests than workers: the rest waits.
  def test_a_wave_above_max_clients_waits_and_is_answered
    made = command("--start", "2", "--min-spare", "2", "--max-spare", "3", "--max-clients", "8",
                   app: PreforkCommand::HOLDING)
    clients = Array.new(12) { made.raw.request("GET", "/held") }
    eventually("all workers at work", within: 60, every: 0.02) do
      assert_operator made.workers.size, :<=, 8
      made.status.values_at("busy", "free", "starting") == [8, 0, 0]
    end
    made.go_on
    assert_equal [200] * 12, clients.map { |client| client.response.status }
  ensure
    clients&.each(&:close)
  end

  # The seconds until this number of workers is busy and the number of spare workers is right.
  def followed(made, busy)
    began = Eventually.monotonic
    eventually("#{busy} busy workers, and spare ones", within: 60, every: 0.1) do
      status = made.status
      assert_operator status.values_at("busy", "free", "starting").sum, :<=, 8
      status["busy"] == busy && status["free"].between?(2, 3) && status["starting"].zero?
    end
    (Eventually.monotonic - began).round(2)
  end
end
