# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # Paused instances, and instances that are due for replacement.
  class AppInstancePauseTest < ProcessTestCase
    LIMIT_REACHED = [62, []].freeze
    PAUSED = [63, ["1"]].freeze
    RESUMED = [63, ["0"]].freeze

    def setup
      super
      @instance = loaded("instance")
    end

    def test_a_paused_instance_takes_no_request_until_the_pause_is_over
      group = serve(@instance, threads: 2)
      get(group, @instance, "/pid")
      pause
      group.send(channel: 5, ticket: 1, environment: at("/pid"))
      resume
      assert_equal [57, ["5"]], next_frame
      @instance.control.write(59, 5)
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_an_instance_can_be_paused_before_its_first_request
      group = serve(@instance, threads: 3)
      pause
      resume
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_an_instance_may_begin_paused
      group = serve(@instance, threads: 2, paused: true)
      group.send(channel: 5, ticket: 1, environment: at("/pid"))
      assert_equal PAUSED, next_frame
      @instance.control.write(63, 1)
      assert_nil @instance.control.io.wait_readable(0.05)
      resume
      assert_equal [57, ["5"]], next_frame
    end

    def test_an_instance_may_be_paused_when_another_pool_process_takes_it_over
      serve(@instance).end_queue
      group = serve(@instance, paused: true)
      group.send(channel: 5, ticket: 1, environment: at("/pid"))
      assert_equal PAUSED, next_frame
      resume
      assert_equal [57, ["5"]], next_frame
    end

    def test_a_paused_instance_may_be_taken_over_and_remains_paused
      group = serve(@instance)
      pause
      group.end_queue
      group = serve(@instance, paused: true)
      group.send(channel: 5, ticket: 1, environment: at("/pid"))
      assert_nil @instance.control.io.wait_readable(0.05)
      resume
      assert_equal [57, ["5"]], next_frame
    end

    def test_a_second_pause_frame_changes_nothing
      group = serve(@instance)
      @instance.control.write(63, 0)
      2.times { @instance.control.write(63, 1) }
      assert_equal PAUSED, next_frame
      2.times { @instance.control.write(63, 0) }
      assert_equal RESUMED, next_frame
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid") # the next frame is its FETCH
    end

    def test_a_request_in_work_is_answered_before_the_pause_is_confirmed
      group = serve(@instance, threads: 2)
      child = request(group, @instance, "/input", id: 1, flags: 1)
      eventually("the claim") { claims(group).include?([1, 1]) }
      @instance.control.write(63, 1)
      @instance.control.write(200) # logged after the pause
      eventually("the pause") { (@seen = "#{@seen}#{read_some}").include?("unexpected_frame") }
      assert_nil @instance.control.io.wait_readable(0)
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      assert_equal PAUSED, next_frame
    end

    def test_a_request_that_waits_for_its_channel_gets_it_during_the_pause
      group = serve(@instance)
      child, theirs, id = new_channel(5)
      group.send(channel: id, ticket: 1, environment: at("/pid"))
      assert_equal [57, ["5"]], next_frame
      @instance.control.write(63, 1)
      @instance.control.write(58, id, descriptors: [theirs])
      assert_equal @instance.pid.to_s, in_time { child.answer }[2]
      assert_equal PAUSED, next_frame
    end

    def test_finish_ends_a_paused_instance_which_takes_no_further_request
      group = serve(@instance, threads: 2)
      pause
      group.send(channel: 5, ticket: 1, environment: at("/pid"))
      @instance.control.write(61)
      assert_includes output_of(@instance), "stopping\nat exit\n"
      assert_equal [5, 1], group.receiver.recv(70_000).unpack("@8Q<Q<")
    end

    def test_signals_and_the_end_of_the_control_socket_end_a_paused_instance
      ending = { signal: ->(instance) { Process.kill("TERM", instance.pid) },
                 socket: ->(instance) { instance.control.close } }
      ending.each_value do |way|
        @instance = loaded("instance")
        serve(@instance)
        pause
        way.call(@instance)
        assert_includes output_of(@instance), "stopping\nat exit\n"
      end
    end

    def test_a_fork_of_the_application_takes_no_request_after_a_pause
      group = serve(@instance, threads: 2)
      child = request(group, @instance, "/return_twice", id: 1)
      assert_equal "parent", in_time { child.answer }[2]
      pause
      resume
      3.times { assert_equal @instance.pid.to_s, get(group, @instance, "/pid") }
      assert_no_socket get(group, @instance, "/fork")
    end

    def test_a_pause_that_is_neither_yes_nor_no_breaks_the_control_socket
      serve(@instance)
      @instance.control.write(63, 2)
      assert_includes output_of(@instance), "event=control.broken"
    end

    def test_an_instance_reports_its_limit_once_and_serves_until_finish
      group = serve(@instance, threads: 2, max_requests: 3)
      3.times { get(group, @instance, "/pid") }
      assert_equal LIMIT_REACHED, next_frame
      # each next frame is a FETCH
      4.times { assert_equal @instance.pid.to_s, get(group, @instance, "/pid") }
      @instance.control.write(61)
      assert_includes output_of(@instance), "stopping\nat exit\n"
      assert_nil next_frame
    end

    def test_without_a_limit_no_instance_reports_one
      group = serve(@instance, max_requests: 0)
      5.times { get(group, @instance, "/pid") }
      @instance.control.write(61)
      output_of(@instance)
      assert_nil next_frame
    end

    def test_requests_of_all_threads_count_together
      group = serve(@instance, threads: 2, max_requests: 2)
      waiting = request(group, @instance, "/input", id: 1, flags: 1)
      get(group, @instance, "/pid")
      waiting.send_body(1, "", last: true)
      assert_equal LIMIT_REACHED, next_frame
    end

    def test_an_instance_at_its_limit_can_be_paused
      group = serve(@instance, max_requests: 1)
      get(group, @instance, "/pid")
      assert_equal LIMIT_REACHED, next_frame
      pause
      resume
    end

    private

    def pause
      @instance.control.write(63, 1)
      assert_equal PAUSED, next_frame
    end

    def resume
      @instance.control.write(63, 0)
      assert_equal RESUMED, next_frame
    end

    def next_frame
      @instance.read&.then { |frame| [frame.type, frame.fields] }
    end

    def at(path)
      Peers::ENVIRONMENT.merge("PATH_INFO" => path)
    end

    def claims(group)
      [group.claim(0), group.claim(1)]
    end
  end
end
