# frozen_string_literal: true

module PhusionPassenger
  # What those who prepare Ruby's heap have in common.
  module RubyHeap
    module_function

    # From Ruby 3.2 on slots are of several sizes, and which of them are free is not told as one number; since 3.3 Ruby prepares its heap itself.
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
