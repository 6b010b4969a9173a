# frozen_string_literal: true

require "etc"
require_relative "support/cpu_group"
require_relative "support/prefork_test_case"

# passenger-prefork with more workers than processors: at most as many computing requests are served
# at the same time as there are processors.
class PreforkCpuSlotsTest < PreforkTestCase
  # Computes for two milliseconds; or computes for half a millisecond and sleeps for four.
  APP = <<~APP
    run lambda { |env|
      waits = env["PATH_INFO"] == "/waits"
      done = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) + (waits ? 0.0005 : 0.002)
      nil while Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) < done
      sleep 0.004 if waits
      [200, {}, [Process.pid.to_s]]
    }
  APP
  CPU_SLOTS = Etc.nprocessors
  WORKERS = 3 * CPU_SLOTS
  # The least part of the answers that workers with CPU slots give.
  MOST = 0.9

  def setup
    @clients = []
    skip "#{WORKERS} workers are too many for a test" if CPU_SLOTS > 8
  end

  def teardown
    @clients.each(&:close)
    @group&.remove
    super
  end

  # Where the kernel has control groups, other programs take no processor time from the processes.
  def started
    command(*fixed(WORKERS), app: APP).tap do |made|
      if CpuGroup.kernel
        @group = CpuGroup.new("slots", made.folder)
        @group.take([Process.pid, made.pid, *made.workers])
      end
      @clients = Array.new(4 * WORKERS) { made.raw }
    end
  end

  # The workers of the answers with their numbers of answers, the greatest number first.
  def answers(path, rounds)
    counts = Hash.new(0)
    rounds.times do
      @clients.each { |client| client.request("GET", path) }
      @clients.each { |client| counts[client.response.body] += 1 }
    end
    counts.sort_by { |_, count| -count }
  end

  def of_first(counts, number)
    counts.first(number).sum(&:last).fdiv(counts.sum(&:last))
  end

  # What the workers measure decides it. Beside programs that use the processors, a request that
  # computes takes as long as one that waits.
  def eventually_of_few(path)
    eventually("few workers", within: 60) do
      counts = answers(path, 5)
      counts.map(&:first).first(CPU_SLOTS) if of_first(counts, CPU_SLOTS) > MOST
    end
  rescue Eventually::TooLate
    skip "other programs use the processors" if processors_shared?
    raise
  end

  # No worker computes while this test does.
  def processors_shared?
    began = [Process::CLOCK_MONOTONIC, Process::CLOCK_THREAD_CPUTIME_ID].map { |id| clock(id) }
    nil while clock(Process::CLOCK_THREAD_CPUTIME_ID) - began.last < 0.3
    clock(Process::CLOCK_MONOTONIC) - began.first > 0.36
  end

  def clock(id)
    Process.clock_gettime(id)
  end

  def test_as_many_workers_as_processors_serve_requests_that_compute_and_all_those_that_wait
    started
    eventually_of_few("/")
    eventually("all workers", within: 120) { of_first(answers("/waits", 10), CPU_SLOTS) < 0.6 }
  end

  def test_the_other_workers_serve_when_workers_with_cpu_slots_are_stopped
    started
    stopped = eventually_of_few("/").each { |pid| ProcessInfo.stop(pid.to_i) }
    others = Array.new(4) { @command.raw }
    @clients.concat(others)
    20.times do
      others.each { |client| client.request("GET", "/") }
      others.each { |client| refute_includes stopped, client.response.body }
    end
  ensure
    stopped&.each { |pid| Process.kill(:CONT, pid.to_i) }
  end

  def test_the_other_workers_serve_when_workers_with_cpu_slots_are_killed
    started
    killed = eventually_of_few("/").each { |pid| Process.kill(:KILL, pid.to_i) }
    eventually("their end") { (@command.workers.map(&:to_s) & killed).empty? }
    20.times { refute_includes killed, @command.get.body }
    @clients.each(&:close)
    @clients = Array.new(4 * WORKERS) { @command.raw }
    eventually_of_few("/")
  end
end
