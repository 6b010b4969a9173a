# frozen_string_literal: true

require_relative "loads_file"
require_relative "test_helper"
require "passenger/http/worker_loads"

module PhusionPassenger
  class WorkerLoadsTest < TestCase
    def setup
      super
      @file = LoadsFile.new(4)
      closing(@file)
      @loads = WorkerLoads.new(closing(@file.dup))
    end

    def test_a_worker_writes_its_load_plus_one_to_the_place_with_its_pid
      @file.enter(1, 7)
      @file.enter(Process.pid, 0)
      @loads.tell(3)
      assert_equal [7, 4, 0, 0], @file.bytes
      @loads.tell(0)
      assert_equal [7, 1, 0, 0], @file.bytes
      @loads.tell(100_000)
      assert_equal [7, 255, 0, 0], @file.bytes
    end

    def test_a_worker_without_a_place_writes_nothing_until_it_has_one
      @loads.tell(3)
      assert_equal [0, 0, 0, 0], @file.bytes
      @file.enter(Process.pid, 0)
      @loads.tell(3)
      assert_equal [4, 0, 0, 0], @file.bytes
    end

    def test_workers_are_counted_and_their_waiting_requests_are_added
      assert_equal [0, 0], @loads.look
      [1, 1, 8].each_with_index { |byte, index| @file.enter(index + 1, byte) }
      @file.enter(Process.pid, 0)
      assert_equal [3, 7], @loads.look
      @loads.tell(1)
      assert_equal [4, 8], @loads.look
    end

    def test_a_worker_that_has_left_writes_nothing_again
      @file.enter(Process.pid, 0)
      @loads.tell(3)
      @loads.leave
      @loads.tell(4)
      assert_equal [0, 0, 0, 0], @file.bytes
    end
  end
end
