# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  class HooksTest < TestCase
    def test_blocks_are_called_in_order_with_the_event_s_arguments
      calls = []
      hooks = Hooks.instance_variable_get(:@blocks)
      PhusionPassenger.on_event(:starting_worker_process) { |forked| calls << [1, forked] }
      PhusionPassenger.on_event(:starting_worker_process) { calls << 2 }
      Hooks.call(:starting_worker_process, true)
      assert_equal [[1, true], 2], calls
    ensure
      hooks.clear
    end

    def test_call_all_calls_each_block_though_one_of_them_fails
      calls = []
      hooks = Hooks.instance_variable_get(:@blocks)
      PhusionPassenger.on_event(:stopping_worker_process) { exit }
      PhusionPassenger.on_event(:stopping_worker_process) { raise NotImplementedError, "not yet" }
      PhusionPassenger.on_event(:stopping_worker_process) { calls << 3 }
      _, log = capture_io { Hooks.call_all(:stopping_worker_process) }
      assert_equal [3], calls
      assert_equal ["NotImplementedError"],
                   log.scan(/event=hook.failed .*exception="(\w+)"/).flatten
    ensure
      hooks.clear
    end

    def test_an_event_without_blocks_is_no_error
      Hooks.call_all(:stopping_worker_process)
    end

    def test_an_event_that_nothing_causes_is_logged_and_taken
      calls = []
      hooks = Hooks.instance_variable_get(:@blocks)
      _, log = capture_io { PhusionPassenger.on_event(:credentials) { |name| calls << name } }
      assert_match(/\Aevent=hook\.unknown hook="credentials"\n\z/, log)
      PhusionPassenger.call_event(:credentials, "root")
      assert_equal ["root"], calls
    ensure
      hooks.clear
    end

    def test_an_event_needs_a_block
      assert_raises(ArgumentError) { PhusionPassenger.on_event(:oob_work) }
    end
  end
end
