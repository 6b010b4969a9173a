# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # An instance that a second pool process takes over from one that has ended.
  class AppInstanceHandoverTest < ProcessTestCase
    def setup
      super
      @instance = loaded("instance")
    end

    def test_an_instance_serves_the_queue_of_each_pool_process_that_takes_it_over
      group = serve(@instance)
      3.times do
        assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
        group.end_queue
        group = serve(@instance)
      end
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      finish(@instance)
      assert_equal "starting forked=false\nsignals installed\nstopping\nat exit\n",
                   output_of(@instance), "the hooks run once"
    end

    def test_an_instance_with_an_own_queue_gets_others
      2.times do |number|
        group, own = Array.new(2) { closing(Peers::Group.new) }
        @instance.control.write(55, *Peers.serve_fields(threads: 2, sticky_id: 70 + number),
                                descriptors: [group.receiver, group.claims, group.withdrawals,
                                              own.receiver])
        assert_equal 56, @instance.read&.type
        [group, own].each_with_index do |queue, index|
          id = 7 + number * 2 + index
          message = in_time { request(queue, @instance, "/pid", id: id).receive }
          assert_equal [@instance.pid.to_s, 70 + number], [message.body, message.sticky_id]
        end
        [group, own].each(&:end_queue)
      end
    end

    def test_what_is_left_in_the_former_queue_is_answered_first_and_claimed_where_it_was_sent
      first = serve(@instance)
      slow = request(first, @instance, "/input", id: 7, flags: 1)
      eventually("the claim of the request in work") { first.claim(0) == [7, 1] }
      left, theirs = seqpacket_pair
      first.send(channel: 8, ticket: 1,
                 environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/pid"))
      first.end_queue
      second = serve(@instance)
      assert_equal [[7, 1], [0, 0]], [first.claim(0), second.claim(0)]
      slow.send_body(1, "late", last: true)
      assert_equal "late", in_time { slow.answer }[2]
      assert_equal [57, ["8"]], in_time { @instance.read }.then { |f| [f.type, f.fields] }
      @instance.control.write(58, 8, descriptors: [theirs])
      assert_equal @instance.pid.to_s, in_time { Peers::Child.new(left).answer }[2]
      assert_equal @instance.pid.to_s, get(second, @instance, "/pid")
      assert_equal [0, 0], first.claim(0)
    end

    def test_a_channel_that_the_former_pool_process_did_not_give_is_waited_for_no_longer
      first = serve(@instance)
      _, _, id = new_channel(9)
      first.send(channel: id, ticket: 1)
      assert_equal 57, in_time { @instance.read }.type
      first.end_queue
      second = serve(@instance)
      assert_equal @instance.pid.to_s, get(second, @instance, "/pid")
    end

    def test_each_pool_process_learns_that_the_limit_of_requests_is_reached
      group = serve(@instance, max_requests: 1)
      get(group, @instance, "/pid")
      assert_equal 62, in_time { @instance.read }.type
      group.end_queue
      serve(@instance)
      assert_equal 62, in_time { @instance.read }.type
    end

    def test_former_queues_and_channels_are_closed
      group = serve(@instance)
      get(group, @instance, "/pid")
      before = held
      3.times do
        group.end_queue
        group = serve(@instance)
        get(group, @instance, "/pid")
      end
      eventually("as many descriptors as before") { held == before }
    end

    def test_another_number_of_threads_ends_the_instance
      group = serve(@instance)
      @instance.control.write(55, *Peers.serve_fields(threads: 2),
                              descriptors: [group.receiver, group.claims, group.withdrawals])
      assert_includes output_of(@instance), "SERVE names 2 threads instead of 1"
    end

    private

    def held
      descriptors_of(@instance).values.grep(/socket|memfd/).size
    end
  end
end
