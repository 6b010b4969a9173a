# frozen_string_literal: true

require_relative "handler_test_case"

module PhusionPassenger
  # The threads of an instance without its process and its control socket.
  class HandlerThreadsTest < HandlerTestCase
    # Seconds; requests that are to finish have more time than they need.
    AMPLE = 20

    def teardown
      @thread&.kill&.join
      hooks.clear
      super
    end

    def test_a_request_in_work_is_finished
      begin_request { sleep 0.1 }
      assert_equal 0, in_time { @threads.finish(AMPLE) }
      assert_equal 200, in_time { @child.answer }.first
      in_time { @threads.run }
    end

    def test_a_request_that_takes_too_long_is_left
      begin_request { sleep }
      assert_equal 1, in_time { @threads.finish(0.1) }
      @thread.kill.join
      assert_includes [@group.claim(0), @group.claim(1)], [7, 1]
    end

    def test_a_request_of_the_warm_up_that_takes_too_long_does_not_count
      begin_request(warms_up: true) { sleep }
      assert_equal 0, in_time { @threads.finish(AMPLE) }
    end

    def test_a_hook_that_ends_its_thread_is_an_error
      PhusionPassenger.on_event(:starting_request_handler_thread) { Thread.exit }
      @threads = HandlerThreads.new(HELLO, handover, @channels, nil)
      @threads.prepare
      assert_raises(ThreadError) { in_time { @threads.await_hooks } }
    end

    def test_the_end_of_any_thread_is_the_end
      begin_request { sleep 0.1 }
      @threads.start("one more") { nil }
      in_time { @threads.run }
      assert_equal 0, in_time { @threads.finish(AMPLE) }
    end

    private

    def hooks
      Hooks.instance_variable_get(:@blocks)
    end

    # Returns when the request is in work. The block is a part of the application.
    def begin_request(warms_up: false)
      app = lambda do |_env|
        @thread = Thread.current
        yield
        [200, {}, ["hello"]]
      end
      @threads = HandlerThreads.new(app, handover(threads: 2, warms_up: warms_up), @channels, nil)
      @threads.prepare
      @threads.await_hooks
      warms_up ? @threads.warm_up : @threads.gate.close
      @group.send(channel: 7, ticket: 1)
      eventually("the request") { @thread }
    end
  end
end
