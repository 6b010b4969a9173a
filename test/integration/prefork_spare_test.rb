# frozen_string_literal: true

require_relative "support/prefork_test_case"

# passenger-prefork: the number of workers.
class PreforkSpareTest < PreforkTestCase
  def test_spare_workers_follow_the_load_and_stay_below_the_limit
    made = command("--start", "1", "--min-spare", "1", "--max-spare", "2", "--max-clients", "5",
                   app: PreforkCommand::HOLDING)
    2.times do
      made.hold
      clients = Array.new(8) { made.raw.request("GET", "/held") }
      eventually("all workers at work", within: 60) do
        made.status.values_at("busy", "free", "starting") == [5, 0, 0]
      end
      assert_operator made.workers.size, :<=, 5
      made.go_on
      clients.each { |client| client.response && client.close }
      eventually("few spare workers", within: 60) do
        made.status.values_at("busy", "ending").sum.zero? && made.status["free"] <= 2
      end
    end
  end

  def test_workers_are_added_and_removed_by_signals
    made = command("--start", "1", "--min-spare", "1", "--max-spare", "1")
    2.times do |index|
      made.signal(:TTIN)
      eventually("one more", within: 60) do
        made.status.values_at("free", "min_spare", "max_spare") == [index + 2] * 3
      end
    end
    2.times do |index|
      made.signal(:TTOU)
      eventually("one fewer", within: 60) do
        made.status.values_at("free", "min_spare", "max_spare") == [2 - index] * 3
      end
    end
  end

  # Any number between the default limits is right, so the limits move by more than one.
  def test_a_signal_adds_and_removes_a_worker_with_the_defaults_too
    made = command
    eventually("two spare workers", within: 60) do
      made.status.values_at("free", "starting", "ending") == [2, 0, 0]
    end
    made.signal(:TTIN)
    eventually("one more", within: 60) { made.status["free"] == 3 }
    made.signal(:TTOU)
    eventually("one fewer", within: 60) do
      made.status.values_at("free", "min_spare", "max_spare") == [2, 1, 2]
    end
  end

  def test_the_status_names_each_worker_and_its_requests
    made = command(*fixed(1))
    3.times { made.get }
    worker = made.workers.first
    eventually("three requests") do
      made.status && made.log =~ /worker=#{worker} state=free since=\S+ age=\S+ requests=3$/
    end
  end
end
