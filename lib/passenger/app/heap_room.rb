# frozen_string_literal: true

require_relative "ruby_heap"

module PhusionPassenger
  # Room in Ruby's heap for what requests leave behind, so that it is seldom collected: that takes milliseconds, for which a request waits. How much
  # there is once an application has been loaded is left to chance: Ruby makes its heap larger only where less than a fifth of it is free.
  module HeapRoom
    # As many free slots as there are objects, and at least so many: 40 bytes each.
    LEAST_SLOTS = 65_536
    private_constant :LEAST_SLOTS

    # Once, when what is to live was loaded. The room stays: Ruby gives pages back only where more than two thirds of its heap are free. Who sets
    # Ruby's own variables knows better.
    def self.make
      return unless RubyHeap.one_size? && ENV.none? { |name, _value| name.start_with?("RUBY_GC_HEAP_") }

      GC.start
      free = GC.stat(:heap_free_slots)
      wanted = [GC.stat(:heap_live_slots), LEAST_SLOTS].max
      # `allocate`, since an application may have an `initialize` of its own for all objects.
      RubyHeap.without_collection { wanted.times { Object.allocate } } if wanted > free
    end
  end
end
