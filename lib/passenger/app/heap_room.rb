# frozen_string_literal: true

require_relative "ruby_heap"

module PhusionPassenger
  # Makes room in Ruby's heap for the garbage of requests, so that collections are rare. A
  # collection takes milliseconds, and a request waits for it. Without this room the number of free
  # slots is arbitrary after an application has loaded: Ruby enlarges its heap only if less than a
  # fifth is free.
  module HeapRoom
    # Slots of 40 bytes. At least this number is free, and as many as there are objects.
    LEAST_SLOTS = 65_536
    private_constant :LEAST_SLOTS

    # Called once, after the application has loaded. The room stays: Ruby frees pages only if more
    # than two thirds of its heap are free. Variables of Ruby's collector in the environment turn
    # this off: the user has chosen.
    def self.make
      return unless RubyHeap.one_size? &&
                    ENV.none? { |name, _value| name.start_with?("RUBY_GC_HEAP_") }

      GC.start
      free = GC.stat(:heap_free_slots)
      wanted = [GC.stat(:heap_live_slots), LEAST_SLOTS].max
      # Not `new`: an application may define `initialize` for all objects.
      RubyHeap.without_collection { wanted.times { Object.allocate } } if wanted > free
    end
  end
end
