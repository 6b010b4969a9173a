# frozen_string_literal: true

require_relative "process_test_case"
require "passenger/app/shared_heap"

module PhusionPassenger
  # How preloaders fill the gaps between the objects that their instances share.
  class SharedHeapTest < ProcessTestCase
    # The agent's variables for PassengerReforkAfter.
    SMALL_HEAP = { "RUBY_GC_HEAP_GROWTH_FACTOR" => "1.1",
                   "RUBY_GC_HEAP_FREE_SLOTS_MIN_RATIO" => "0.1",
                   "RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO" => "0.2",
                   "RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO" => "0.3" }.freeze
    # The number of gaps that gaps.ru makes.
    GAPS = 100_000

    def setup
      super
      unless RubyHeap.one_size?
        skip("this Ruby prepares its heap itself, or has slots of several sizes")
      end
    end

    def test_gaps_are_left_in_a_heap_of_the_usual_size
      [{}, SMALL_HEAP.merge("RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO" => "0.4",
                            "RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO" => "0.65")].each do |environment|
        preloader = loaded("preloader", "gaps.ru", environment: environment)
        assert_operator slots(forked_from(preloader)).first, :>, GAPS / 2
      end
    end

    def test_gaps_are_filled_in_a_small_heap
      assert_operator slots(forked_from(filled)).first, :<, GAPS / 5
    end

    def test_gaps_left_by_garbage_of_loading_are_not_filled
      assert_operator slots(forked_from(filled("garbage.ru"))).last, :<, 300_000
    end

    def test_the_filling_of_gaps_does_not_grow_from_one_preloader_to_the_next
      preloader = filled
      totals = Array.new(8) do
        instance = forked_from(preloader)
        group = serve(instance, refork_after: 1000)
        get(group, instance, "/busy")
        preloader = @agent.refork_from(instance).tap { |it| 2.times { it.read } }
        get(group, instance, "/").split.last.to_i
      end
      assert_operator totals.last, :<, totals[2] * 1.3, totals.inspect
    end

    private

    def filled(startup_file = "gaps.ru")
      loaded("preloader", startup_file, environment: SMALL_HEAP)
    end

    # Returns the number of free slots and of all slots.
    def slots(instance)
      get(serve(instance), instance, "/").split.map(&:to_i)
    end
  end
end
