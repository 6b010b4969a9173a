# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # Instances with a queue of their own beside the Group's queue.
  class AppInstanceOwnQueueTest < ProcessTestCase
    STICKY_ID = 4_000_000_001

    def setup
      super
      @instance = loaded("instance")
      @group = closing(Peers::Group.new)
      @own = closing(Peers::Group.new)
    end

    def test_an_instance_answers_both_queues_and_sends_its_sticky_id
      serve_both(threads: 2)
      [@own, @group].each_with_index do |queue, index|
        child = request(queue, @instance, "/pid", id: index + 1)
        message = in_time { child.receive }
        assert_equal [@instance.pid.to_s, STICKY_ID], [message.body, message.sticky_id]
      end
    end

    def test_a_request_for_an_instance_waits_until_the_instance_is_free
      serve_both
      first = request(@group, @instance, "/input", id: 1, flags: 1)
      second, theirs, id = new_channel(2)
      @own.send(channel: id, ticket: 1, environment: at("/pid"))
      assert_nil second.io.wait_readable(0.05)
      first.send_body(1, "late", last: true)
      assert_equal "late", in_time { first.answer }[2]
      assert_equal [57, ["2"]], next_frame
      @instance.control.write(58, id, descriptors: [theirs])
      assert_equal @instance.pid.to_s, in_time { second.answer }[2]
    end

    def test_an_instance_serves_the_common_queue_if_its_own_was_closed_during_a_pause
      serve_both(threads: 3)
      @instance.control.write(63, 1)
      assert_equal [63, ["1"]], next_frame
      @own.end_queue
      @instance.control.write(63, 0)
      assert_equal [63, ["0"]], next_frame
      3.times { assert_equal @instance.pid.to_s, get(@group, @instance, "/pid") }
    end

    def test_an_instance_takes_from_both_queues_after_a_pause
      serve_both(threads: 2)
      @instance.control.write(63, 1)
      assert_equal [63, ["1"]], next_frame
      @instance.control.write(63, 0)
      assert_equal [63, ["0"]], next_frame
      2.times do
        [@own, @group].each do |queue|
          assert_equal @instance.pid.to_s, get(queue, @instance, "/pid")
        end
      end
    end

    def test_the_common_queue_has_its_turn_between_messages_of_the_own_one
      serve_both
      first = request(@group, @instance, "/input", id: 1, flags: 1)
      channels = (2..9).map { |id| new_channel(id) }
      channels.each_with_index do |(_child, _theirs, id), index|
        (index == 7 ? @group : @own).send(channel: id, ticket: 1, environment: at("/pid"))
      end
      first.send_body(1, "late", last: true)
      assert_equal "late", in_time { first.answer }[2]
      order = Array.new(8) { lend_next(channels) }
      assert_equal 4, order.index(9), order.inspect
    end

    def test_an_instance_with_two_queues_ends_when_told_to_finish
      serve_both(threads: 2)
      finish(@instance)
      assert_includes output_of(@instance), "stopping\nat exit\n"
    end

    def test_a_fork_of_the_application_has_neither_queue
      serve_both
      assert_no_socket get(@own, @instance, "/fork")
    end

    private

    def serve_both(threads: 1)
      @instance.control.write(55, *Peers.serve_fields(threads: threads, sticky_id: STICKY_ID),
                              descriptors: [@group.receiver, @group.claims, @group.withdrawals,
                                            @own.receiver])
      assert_equal 56, @instance.read&.type
    end

    # Gives the instance the channel that it asks for. Returns its id, when the answer has come.
    def lend_next(channels)
      type, fields = next_frame
      id = fields.first
      child, theirs, = channels.find { |channel| channel.last.to_s == id }
      assert_equal 57, type
      @instance.control.write(58, id, descriptors: [theirs])
      assert_equal @instance.pid.to_s, in_time { child.answer }[2]
      Integer(id)
    end

    def next_frame
      @instance.read&.then { |frame| [frame.type, frame.fields] }
    end

    def at(path)
      Peers::ENVIRONMENT.merge("PATH_INFO" => path)
    end
  end
end
