# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  class ChannelsTest < TestCase
    def setup
      super
      @agent, @control = stream_pair.map { |io| FrameSocket.new(io) }
      @channels = Channels.new(@control)
      @child, @theirs = seqpacket_pair
    end

    def test_an_unknown_channel_is_fetched_once_for_all_waiting_threads
      waiting = Array.new(2) { Thread.new { @channels.borrow(7) } }
      frame = in_time { @agent.read }
      assert_equal [57, ["7"]], [frame.type, frame.fields]
      eventually("waiting") { waiting.all? { |thread| thread.status == "sleep" } }
      @channels.add(7, @theirs)
      assert_equal [7, 7], in_time { waiting.map(&:value) }.map(&:id)
      assert_equal :wait_readable, @agent.io.recv_nonblock(1, exception: false)
    end

    def test_a_known_channel_is_not_fetched_again
      @channels.add(7, @theirs)
      assert_same @channels.borrow(7), @channels.borrow(7)
      assert_equal :wait_readable, @agent.io.recv_nonblock(1, exception: false)
    end

    def test_a_channel_whose_child_is_gone_is_nil
      waiting = Thread.new { @channels.borrow(7) }
      in_time { @agent.read }
      @channels.refuse(7)
      assert_nil in_time { waiting.value }
    end

    def test_a_refused_channel_is_asked_for_again
      2.times do
        waiting = Thread.new { @channels.borrow(7) }
        in_time { @agent.read }
        @channels.refuse(7)
        in_time { waiting.join }
      end
    end

    def test_a_refusal_that_nobody_waits_for_changes_nothing
      @channels.refuse(7)
      waiting = Thread.new { @channels.borrow(7) }
      in_time { @agent.read }
      @channels.add(7, @theirs)
      assert_equal 7, in_time { waiting.value }.id
    end

    def test_no_thread_waits_after_the_control_thread_has_ended
      waiting = Thread.new { @channels.borrow(7) }
      in_time { @agent.read }
      @channels.stop
      assert_nil in_time { waiting.value }
      assert_nil in_time { @channels.borrow(8) }
    end

    def test_no_thread_waits_when_the_agent_is_gone
      @agent.close
      assert_nil in_time { @channels.borrow(7) }
    end

    def test_an_agent_that_does_not_answer_holds_no_thread
      channels = Channels.new(@control, patience: 0.01)
      2.times { assert_nil in_time { channels.borrow(7) } }
      in_time { @agent.read }
      assert_equal :wait_readable, @agent.io.recv_nonblock(1, exception: false)
      # The late answer.
      channels.add(7, @theirs)
      assert_equal 7, channels.borrow(7).id
    end

    def test_a_late_refusal_answers_no_later_request
      channels = Channels.new(@control, patience: 0.01)
      2.times do
        assert_nil in_time { channels.borrow(7) }
        assert_equal 57, in_time { @agent.read }.type
        channels.refuse(7)
      end
    end

    def test_a_question_that_cannot_be_sent_is_asked_again
      errors = [Errno::ENOBUFS]
      @control.define_singleton_method(:write) do |*frame|
        errors.any? ? raise(errors.pop) : super(*frame)
      end
      assert_nil in_time { @channels.borrow(7) }
      waiting = Thread.new { @channels.borrow(7) }
      in_time { @agent.read }
      @channels.add(7, @theirs)
      assert_equal 7, in_time { waiting.value }.id
    end

    def test_a_dropped_channel_is_closed
      @channels.add(7, @theirs)
      @channels.drop(7)
      assert_predicate @theirs, :closed?
      assert_equal 0, @channels.size
    end

    def test_a_dropped_channel_in_use_is_closed_after_its_exchange
      @channels.add(7, @theirs)
      channel = @channels.borrow(7)
      @channels.drop(7)
      channel.send_message("still open")
      channel.give_back
      assert_predicate @theirs, :closed?
    end

    # The application does work after the first answer.
    def test_a_channel_that_two_exchanges_have_borrowed_is_closed_after_both
      @channels.add(7, @theirs)
      former, channel = Array.new(2) { @channels.borrow(7) }
      former.give_back
      @channels.forget
      channel.send_message("still open")
      channel.give_back
      assert_predicate @theirs, :closed?
    end

    def test_sending_to_a_child_that_left_raises_client_gone
      @channels.add(7, @theirs)
      @child.close
      assert_raises(ClientGone) { @channels.borrow(7).send_message("x") }
    end

    def test_receiving_from_a_child_that_left_raises_client_gone
      @channels.add(7, @theirs)
      @child.shutdown
      assert_raises(BodyBrokenOff) { @channels.borrow(7).receive_now(+"") }
    end
  end
end
