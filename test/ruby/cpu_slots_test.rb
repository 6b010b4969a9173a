# frozen_string_literal: true

require_relative "loads_file"
require_relative "test_helper"
require "passenger/http/cpu_slots"

module PhusionPassenger
  class CpuSlotsTest < TestCase
    # A worker in a process of its own, since CPU slots are processes'. It does what it is told: `take NOW WORKERS`, `leave`.
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

      # Only a signal: workers that were forked later have its socket, too.
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
        loop { socket.puts(cpu_slots.public_send(*Marshal.load([socket.gets.chomp].pack("H*"))) == true) } # rubocop:disable Security/MarshalLoad
      ensure
        exit!(1)
      end
    end

    # A request of so many seconds, of which such a share was computing; and half a second more it waited for a processor.
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

    def test_as_many_as_there_are_processors_may_work
      first, second, third = Array.new(3) { worker }
      assert_equal [true, true, false], [first, second, third].map { |one| one.take(10) }
      second.leave
      assert third.take(10.001)
      refute second.take(10.002)
    end

    def test_the_cpu_slot_of_one_that_dies_is_free
      first, second, third = Array.new(3) { worker }
      [first, second].each { |one| assert one.take(10) }
      first.close
      assert third.take(10)
    end

    def test_where_workers_are_no_more_than_cpu_slots_all_may_work
      workers = Array.new(3) { worker }
      workers.each { |one| assert one.take(10, 2) }
    end

    def test_who_waits_for_other_things_leaves_room_for_more
      workers = Array.new(5) { worker(computing: 0.7) }
      assert_equal([true, true, true, true, false], workers.map { |one| one.take(10) })
    end

    def test_of_those_that_never_compute_all_may_work
      workers = Array.new(7) { worker(computing: 0.0) }
      workers.each { |one| assert one.take(10) }
    end

    def test_who_has_none_learns_when_there_are_more
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

    # It hangs, or waits for a database.
    def test_a_cpu_slot_at_which_nothing_changes_does_not_count
      first, second, third, fourth = Array.new(4) { worker }
      [first, second].each { |one| assert one.take(10) }
      refute third.take(10)
      first.take(10.005)
      refute third.take(10.009) # of the first one it is the first look since then
      assert third.take(10.011) # the second one's
      refute fourth.take(10.011)
    end

    # Else there would be three in the end.
    def test_who_sat_down_instead_of_another_gets_up_when_that_goes_on
      first, second, third = Array.new(3) { worker }
      [first, second].each { |one| assert one.take(10) }
      refute third.take(10)
      assert third.take(10.011)
      first.take(10.015)
      second.take(10.015)
      assert third.take(10.019)
      refute third.take(10.022)
    end

    def test_where_all_hang_nobody_is_kept_from_working
      workers = Array.new(8) { worker }
      workers.each { |one| one.take(10) }
      workers.each_with_index do |one, index|
        now = 11 + index
        one.take(now)
        assert one.take(now + 0.5)
      end
    end

    def test_a_share_of_computing_is_measured_so_often_and_no_oftener
      cpu_slots = closing_slots(@file.cpu_slots(2))
      measured = 0
      cpu_slots.define_singleton_method(:times) { super().tap { measured += 1 } }
      100.times do |index|
        cpu_slots.begin_request(10 + (index / 1000.0))
        cpu_slots.end_request
      end
      assert_includes 18..22, measured # two looks each
    end

    def test_what_computes_is_told_from_what_waits
      cpu_slots = closing_slots(@file.cpu_slots(2))
      measure_until(cpu_slots, 2) { 1 + 1 until Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) > @until }
      measure_until(cpu_slots, 6) { sleep 0.01 }
    end

    # The machine may stand still meanwhile, which fades.
    def measure_until(cpu_slots, wanted)
      eventually("#{wanted} cpu_slots") do
        @until = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) + 0.005
        cpu_slots.begin_request(@now = (@now || 0) + 1)
        yield
        cpu_slots.end_request
        cpu_slots.wanted == wanted
      end
    end

    def test_where_the_kernel_does_not_tell_there_is_a_cpu_slot_for_everyone
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
