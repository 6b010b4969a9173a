# frozen_string_literal: true

require_relative "loads_file"
require_relative "test_helper"
require "passenger/http/cpu_slots"

module PhusionPassenger
  class CpuSlotsTest < TestCase
    # A worker in a process of its own, because CPU slots belong to processes. It obeys the commands
    # `take NOW WORKERS` and `leave`.
    class Worker
      def initialize(file, computing)
        @socket, theirs = UNIXSocket.pair
        @pid = fork { serve(theirs, file, computing) }
        theirs.close
      end

      def take(now, workers = 9)
        ask("take", now.to_f, workers)
      end

      def leave
        ask("leave")
      end

      def measure(share, seconds)
        ask("measure", share, seconds)
      end

      # Kills the process: closing the socket does not end it, because workers that were forked
      # later hold that socket, too.
      def close
        Process.kill(:KILL, @pid)
        Process.wait(@pid)
        @socket.close
        @pid = nil
      end

      def closed?
        @pid.nil?
      end

      private

      def ask(*words)
        @socket.puts(Marshal.dump(words).unpack1("H*"))
        @socket.gets == "true\n"
      end

      def serve(socket, file, computing)
        cpu_slots = file.cpu_slots(2)
        cpu_slots.extend(Measured)
        20.times { cpu_slots.measure(computing) }
        loop do
          call = Marshal.load([socket.gets.chomp].pack("H*")) # rubocop:disable Security/MarshalLoad
          socket.puts(cpu_slots.public_send(*call) == true)
        end
      ensure
        exit!(1)
      end
    end

    # Measurements of a request that lasts `seconds`, and computes for that share of them. It waits
    # half a second more for a processor.
    module Measured
      def measure(share, seconds = 1.0)
        @times = [[0, 0, 0], [seconds + 0.5, share * seconds, 0.5]]
        @next_sample = 0
        begin_request(1)
        end_request
      end

      private

      def times
        @times.shift
      end
    end

    def setup
      super
      @file = closing(LoadsFile.new(6))
    end

    def worker(computing: 1.0)
      closing(Worker.new(@file, computing))
    end

    def test_as_many_workers_as_processors_may_work
      first, second, third = Array.new(3) { worker }
      assert_equal [true, true, false], [first, second, third].map { |one| one.take(10) }
      second.leave
      assert third.take(10.001)
      refute second.take(10.002)
    end

    def test_the_cpu_slot_of_a_dead_worker_is_free
      first, second, third = Array.new(3) { worker }
      [first, second].each { |one| assert one.take(10) }
      first.close
      assert third.take(10)
    end

    def test_all_workers_may_work_if_there_are_enough_cpu_slots
      workers = Array.new(3) { worker }
      workers.each { |one| assert one.take(10, 2) }
    end

    def test_workers_that_wait_for_other_things_leave_room_for_more
      workers = Array.new(5) { worker(computing: 0.7) }
      assert_equal([true, true, true, true, false], workers.map { |one| one.take(10) })
    end

    def test_all_workers_that_never_compute_may_work
      workers = Array.new(7) { worker(computing: 0.0) }
      workers.each { |one| assert one.take(10) }
    end

    def test_a_worker_without_a_slot_learns_when_there_are_more
      first, second, third = Array.new(3) { worker }
      assert_equal([true, true, false], [first, second, third].map { |one| one.take(10) })
      first.measure(0.1, 60)
      assert third.take(10.005)
    end

    def test_a_long_request_counts_for_more_than_a_short_one
      cpu_slots = closing_slots(@file.cpu_slots(1))
      cpu_slots.extend(Measured)
      100.times do
        3.times { cpu_slots.measure(1.0, 0.2) }
        cpu_slots.measure(0.0, 0.6)
      end
      assert_includes 4..5, cpu_slots.wanted
    end

    # Such a slot's worker hangs or waits for a database.
    def test_a_cpu_slot_at_which_nothing_changes_does_not_count
      first, second, third, fourth = Array.new(4) { worker }
      [first, second].each { |one| assert one.take(10) }
      refute third.take(10)
      first.take(10.005)
      refute third.take(10.009) # the first look at the first worker since then
      assert third.take(10.011) # the second worker's
      refute fourth.take(10.011)
    end

    # Otherwise three workers would compute in the end.
    def test_a_worker_in_another_s_place_gives_way_when_the_other_continues
      first, second, third = Array.new(3) { worker }
      [first, second].each { |one| assert one.take(10) }
      refute third.take(10)
      assert third.take(10.011)
      first.take(10.015)
      second.take(10.015)
      assert third.take(10.019)
      refute third.take(10.022)
    end

    def test_if_all_workers_hang_a_further_one_may_work
      workers = Array.new(8) { worker }
      workers.each { |one| one.take(10) }
      workers.each_with_index do |one, index|
        now = 11 + index
        one.take(now)
        assert one.take(now + 0.5)
      end
    end

    def test_the_share_of_computing_is_measured_at_most_every_10_ms
      cpu_slots = closing_slots(@file.cpu_slots(2))
      measured = 0
      cpu_slots.define_singleton_method(:times) { super().tap { measured += 1 } }
      100.times do |index|
        cpu_slots.begin_request(10 + (index / 1000.0))
        cpu_slots.end_request
      end
      assert_includes 18..22, measured # two looks each
    end

    def test_computing_is_distinguished_from_waiting
      cpu_slots = closing_slots(@file.cpu_slots(2))
      measure_until(cpu_slots, 2) do
        1 + 1 until Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) > @until
      end
      measure_until(cpu_slots, 6) { sleep 0.01 }
    end

    # The machine may stand still meanwhile; the effect on the average fades.
    def measure_until(cpu_slots, wanted)
      eventually("#{wanted} cpu_slots") do
        @until = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) + 0.005
        cpu_slots.begin_request(@now = (@now || 0) + 1)
        yield
        cpu_slots.end_request
        cpu_slots.wanted == wanted
      end
    end

    def test_without_the_kernel_s_measurements_every_worker_has_a_cpu_slot
      File.stub(:open, ->(*) { raise Errno::ENOENT }) { @cpu_slots = @file.cpu_slots(1) }
      @cpu_slots.begin_request(1)
      @cpu_slots.end_request
      assert_equal 6, @cpu_slots.wanted
      assert @cpu_slots.take(1, 6)
    end

    def closing_slots(cpu_slots)
      @closers << -> { cpu_slots.close }
      cpu_slots
    end
  end
end
