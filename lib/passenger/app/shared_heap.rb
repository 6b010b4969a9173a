# frozen_string_literal: true

require_relative "ruby_heap"

module PhusionPassenger
  # Prepares Ruby's heap in a preloader, so that few of the pages that its instances share change
  # later.
  module SharedHeap
    # Slots that fill_gaps leaves to other threads, so that the heap does not grow meanwhile.
    SPARE_SLOTS = 200
    # The most collections that free pages. Each one takes longer the larger the application is.
    SHRINKS = 20
    # A collection writes an object's age into the object until the object has survived this many.
    AGE_OF_THE_OLD = 3

    # A heap is small if its goal for the free share is at most this.
    SMALL_GOAL = 0.25

    # Called before the first fork. PassengerReforkAfter (SpawnPlan) or SetEnv may ask for a small
    # heap. In a small heap, free slots between objects are filled, so that the objects of instances
    # are in pages of their own. In another heap, the collector would then keep as many free slots
    # again in each instance.
    def self.settle
      # This preloader may come from an instance of another preloader, and have its filling. The
      # filling is freed, so that it does not grow from one preloader to the next.
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

    # Frees slots of objects that only the loading needed; otherwise fill_gaps would fill these,
    # too. A collection frees a few pages at a time.
    def self.shrink
      before = GC.stat(:heap_available_slots)
      SHRINKS.times do
        GC.start
        slots = GC.stat(:heap_available_slots)
        break if slots > before * 0.99

        before = slots
      end
    end

    # Not `new`: an application may define `initialize` for all objects.
    def self.fill_gaps
      RubyHeap.without_collection do
        @filling = Array.new([GC.stat(:heap_free_slots) - SPARE_SLOTS, 0].max) { Object.allocate }
      end
      (AGE_OF_THE_OLD - 1).times { GC.start(full_mark: false) }
      # The filling increases the number of old objects, and an instance would soon run a full
      # collection. A full collection here resets that limit.
      GC.start
    end

    private_class_method :small?, :shrink, :fill_gaps
  end
end
