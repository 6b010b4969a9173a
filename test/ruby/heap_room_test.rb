# frozen_string_literal: true

require_relative "test_helper"
require "open3"
require "rbconfig"
require "passenger/app/heap_room"

module PhusionPassenger
  class HeapRoomTest < TestCase
    # Stands for an application with 300,000 live objects. Prints the free slots before, after, and
    # after some collections.
    SCRIPT = <<~RUBY
      require "passenger/app/heap_room"
      OBJECTS = Array.new(300_000) { Object.new }
      GC.start
      slots = [GC.stat(:heap_free_slots)]
      PhusionPassenger::HeapRoom.make
      GC.start
      slots << GC.stat(:heap_free_slots)
      3.times { 50_000.times { Object.new } && GC.start }
      puts [*slots, GC.stat(:heap_free_slots), GC.disable].join(" ")
    RUBY

    def setup
      super
      unless RubyHeap.one_size?
        skip("this Ruby prepares its heap itself, or has slots of several sizes")
      end
    end

    def test_as_many_slots_are_free_as_there_are_objects_and_stay_so
      before, after, later, disabled = run_script
      assert_operator before.to_i, :<, 250_000, "nothing to do"
      assert_operator after.to_i, :>, 300_000
      assert_operator later.to_i, :>, 300_000
      assert_equal "false", disabled
    end

    def test_variables_of_ruby_s_heap_turn_the_preparation_off
      before, after, = run_script("RUBY_GC_HEAP_GROWTH_FACTOR" => "1.7")
      assert_in_delta before.to_i, after.to_i, 20_000
    end

    private

    def run_script(environment = {})
      output, status = Open3.capture2e(environment, RbConfig.ruby, "-I",
                                       File.expand_path("../../lib", __dir__), "-e", SCRIPT)
      assert_predicate status, :success?, output
      output.split
    end
  end
end
