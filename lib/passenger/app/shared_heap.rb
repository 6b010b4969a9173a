# frozen_string_literal: true

require_relative "ruby_heap"

module PhusionPassenger
  # Ruby's heap in a preloader: what its instances will share should not change any more.
  module SharedHeap
    # Slots that are left to what other threads make meanwhile, so that the heap does not grow.
    SPARE_SLOTS = 200
    # Collections in search of pages that can go; each one is as long as the application is large.
    SHRINKS = 20
    # A collection writes the age of an object to it, until it has survived so many.
    AGE_OF_THE_OLD = 3

    # What is to be free of a heap, at most, for it to be a small one.
    SMALL_GOAL = 0.25

    # Before the first fork. In a small heap, which PassengerReforkAfter brings (SpawnPlan), or SetEnv, what is free among the objects is
    # taken, so that instances have their own objects in pages of their own. In another heap the collector would have as much again free, for
    # each instance.
    def self.settle
      # Of another preloader, from which this one's application comes. Let go of, it does not become more from one to the next.
      @filling = nil
      return Process.warmup if Process.respond_to?(:warmup)

      GC.start
      return unless RubyHeap.one_size? && small?

      shrink
      fill_gaps
    end

    def self.small?
      ENV.fetch("RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO", "1").to_f <= SMALL_GOAL
    end

    # What was made while the application loaded, and is gone, is not to be filled, too. A collection frees some pages at a time.
    def self.shrink
      before = GC.stat(:heap_available_slots)
      SHRINKS.times do
        GC.start
        slots = GC.stat(:heap_available_slots)
        break if slots > before * 0.99

        before = slots
      end
    end

    # `allocate`, since an application may have an `initialize` of its own for all objects.
    def self.fill_gaps
      RubyHeap.without_collection { @filling = Array.new([GC.stat(:heap_free_slots) - SPARE_SLOTS, 0].max) { Object.allocate } }
      (AGE_OF_THE_OLD - 1).times { GC.start(full_mark: false) }
      # With them the old have become so many that an instance would soon collect among all of them; this one counts anew.
      GC.start
    end

    private_class_method :small?, :shrink, :fill_gaps
  end
end
