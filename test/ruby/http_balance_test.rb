# frozen_string_literal: true

require_relative "test_helper"
require "passenger/http/http_balance"

module PhusionPassenger
  class HttpBalanceTest < TestCase
    # A WorkerLoads with set numbers of the other workers. It records the numbers of this one.
    class FakeLoads
      attr_accessor :look
      attr_reader :told

      def initialize
        @told = []
        @look = [0, 0]
      end

      def tell(number)
        @told << number unless @told.last == number
      end
    end

    def setup
      super
      @loads = FakeLoads.new
      @balance = HttpBalance.new(@loads, Struct.new(:wanted).new(8))
      @now = 1000.0
    end

    def note(waiting, after: 0)
      @balance.note(waiting, @now += after)
    end

    def test_the_longest_queue_is_reported_a_hundred_times_a_second
      [3, 9, 2].each { |waiting| note(waiting) }
      2.times { note(1, after: 0.02) }
      assert_equal [3, 9, 1], @loads.told
    end

    def test_a_surplus_over_the_mean_is_given_away_once
      @loads.look = [4, 17]
      note(10)
      assert_equal 5, @balance.excess
      6.times { @balance.gave }
      note(10)
      assert_equal 0, @balance.excess
      note(10, after: 0.02)
      assert_equal 5, @balance.excess
    end

    def test_a_queue_that_is_no_longer_than_the_others_has_nothing_to_give
      @loads.look = [4, 17]
      [5, 1].each do |waiting|
        note(waiting, after: 0.02)
        assert_equal 0, @balance.excess
      end
    end

    # Two of four workers have a CPU slot, so they have all the work.
    def test_workers_that_work_at_the_same_time_have_equal_parts
      @balance = HttpBalance.new(@loads, Struct.new(:wanted).new(2))
      @loads.look = [4, 20]
      note(13)
      assert_equal 3, @balance.excess
      note(9, after: 0.02)
      assert_equal 0, @balance.excess
    end

    def test_a_worker_without_others_is_alone
      assert_predicate @balance, :alone?
      @loads.look = [1, 3]
      note(3)
      assert_predicate @balance, :alone?
      @loads.look = [2, 6]
      note(3, after: 0.02)
      refute_predicate @balance, :alone?
    end

    def test_a_rest_is_reported_at_once
      note(5)
      @balance.rest
      assert_equal [5, 0], @loads.told
    end
  end
end
