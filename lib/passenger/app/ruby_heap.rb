# frozen_string_literal: true

module PhusionPassenger
  # Shared by HeapRoom and SharedHeap.
  module RubyHeap
    module_function

    # Since Ruby 3.2 slots have several sizes, and no single number says how many are free. Since
    # 3.3 Ruby has Process.warmup, which prepares the heap.
    def one_size?
      !Process.respond_to?(:warmup) && GC::INTERNAL_CONSTANTS.fetch(:SIZE_POOL_COUNT, 1) == 1
    end

    def without_collection
      was_disabled = GC.disable
      yield
    ensure
      GC.enable unless was_disabled
    end
  end
end
