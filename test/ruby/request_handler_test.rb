# frozen_string_literal: true

require "minitest/mock"
require_relative "handler_test_case"

module PhusionPassenger
  # Queue, claims, marks and channels as an instance's thread sees them.
  class RequestHandlerTest < HandlerTestCase
    def test_a_request_is_answered_in_one_message
      serve(HELLO) { @group.send(channel: 7, ticket: 1) }
      message = @child.receive
      assert_equal [1, 1, 1, 200], [message.ticket, message.type, message.flags, message.status]
      assert_equal "Content-Type: text/plain\r\n", message.head
      assert_equal "hello", message.body
    end

    def test_an_answer_says_for_how_many_microseconds_its_request_was_queued
      sent_at = Peers.now - 3_000_000_000
      serve(HELLO) { @group.send(channel: 7, ticket: 1, sent_at: sent_at) }
      assert_includes 3_000_000..((Peers.now - sent_at) / 1000), @child.receive.queued
    end

    def test_a_response_says_which_instance_it_is
      body = Enumerator.new { |yielder| 2.times { yielder << "x" } }
      own = closing(Peers::Group.new)
      @intake = IntakeToTheEnd.new(handover(own: own.receiver, sticky_id: 0xFFFF_FFFE))
      serve(->(_) { [200, {}, body] }) { @group.send(channel: 7, ticket: 1) }
      assert_equal [0xFFFF_FFFE, 0, 0, 0], @child.answer.last.map(&:sticky_id)
    end

    def test_without_sticky_sessions_an_instance_has_no_name
      serve(HELLO) { @group.send(channel: 7, ticket: 1) }
      assert_equal 0, @child.receive.sticky_id
    end

    def test_the_reported_queue_time_excludes_the_time_after_the_request_was_taken
      begun = nil
      app = lambda do |_env|
        begun = Peers.now
        HELLO.call(nil)
      end
      sent = Peers.now
      serve(app) { @group.send(channel: 7, ticket: 1, sent_at: sent) }
      assert_operator @child.receive.queued, :<=, (begun - sent) / 1000
    end

    def test_impossible_queue_times_are_limited
      year = 365 * 86_400 * 1_000_000_000
      Process.stub(:clock_gettime, year) do
        serve(HELLO) do
          [0, year - 1_999, year, year + 1, (1 << 64) - 1].each_with_index do |sent_at, index|
            @group.send(channel: 7, ticket: index + 1, sent_at: sent_at)
          end
        end
      end
      assert_equal [0xFFFF_FFFF, 1, 0, 0, 0], Array.new(5) { @child.receive.queued }
    end

    def test_only_a_response_says_how_long_its_request_was_queued
      body = Enumerator.new { |yielder| 2.times { yielder << "x" } }
      @group.withdrawal(7, 1)
      serve(->(_) { [200, {}, body] }) do
        2.times { |index| @group.send(channel: 7, ticket: index + 1, sent_at: 0) }
      end
      assert_equal 0, @child.receive.queued
      assert_equal [true, false, false, false],
                   @child.answer.last.map { |message| message.queued.positive? }
    end

    def test_a_busy_thread_leaves_requests_to_others
      gate = Thread::Queue.new
      begun = Thread::Queue.new
      app = lambda do |env|
        begun << true
        gate.pop
        HELLO.call(env)
      end
      serve_in_thread(app) do
        2.times { |ticket| @group.send(channel: 7, ticket: ticket + 1) }
        in_time { begun.pop }
        left, = @group.receiver.recvmsg_nonblock(70_000, Socket::MSG_PEEK)
        assert_equal 2, left.unpack1("@16Q<"), "the second one is in the queue"
        2.times { gate << true }
        assert_equal [1, 2], in_time { [@child.receive, @child.receive] }.map(&:ticket)
      end
    end

    def test_requests_are_answered_one_after_the_other
      serve(echo("QUERY_STRING")) do
        3.times do |index|
          @group.send(channel: 7, ticket: index + 1,
                      environment: environment("QUERY_STRING" => index.to_s))
        end
      end
      assert_equal [[1, "0"], [2, "1"], [3, "2"]],
                   Array.new(3) { @child.receive }.map { |m| [m.ticket, m.body] }
    end

    def test_the_claim_is_written_before_the_application_runs_and_cleared_after
      claim = nil
      app = lambda do |_env|
        claim = @group.claim(3)
        HELLO.call(nil)
      end
      @intake = IntakeToTheEnd.new(handover(threads: 4))
      serve(app, index: 3) { @group.send(channel: 7, ticket: 11) }
      assert_equal [7, 11], claim
      assert_equal [0, 0], @group.claim(3)
      assert_equal [0, 0], @group.claim(0)
    end

    def test_the_claim_stands_until_the_last_message_was_sent
      claims = []
      body = Enumerator.new do |yielder|
        yielder << "one"
        claims << @group.claim(0)
        yielder << "two"
        claims << @group.claim(0)
      end
      serve(->(_) { [200, {}, body] }) { @group.send(channel: 7, ticket: 11) }
      assert_equal [[7, 11], [7, 11]], claims
      assert_equal [0, 0], @group.claim(0)
    end

    def test_the_claim_is_cleared_after_an_application_that_raises
      logged { serve(->(_) { raise "no" }) { @group.send(channel: 7, ticket: 11) } }
      assert_equal 500, @child.receive.status
      assert_equal [0, 0], @group.claim(0)
    end

    def test_an_application_that_ends_its_thread_is_answered_500
      log = logged do
        serve_until_thread_ends(->(_) { Thread.exit }) { @group.send(channel: 7, ticket: 11) }
      end
      assert_includes log, "did not finish its answer"
      assert_equal [500, true, [0, 0]],
                   @child.receive.then { |m| [m.status, m.last?, @group.claim(0)] }
    end

    def test_an_answer_whose_application_ends_its_thread_is_aborted
      body = Enumerator.new { |yielder| yielder << "one" && Thread.exit }
      logged do
        serve_until_thread_ends(->(_) { [200, {}, body] }) { @group.send(channel: 7, ticket: 11) }
      end
      assert_equal [1, 2, 6], @child.answer.last.map(&:type)
      assert_equal [0, 0], @group.claim(0)
    end

    def test_the_claim_stands_if_the_child_cannot_be_told
      %i[send_message send_parts].each do |name|
        @channels.borrow(7).define_singleton_method(name) { |*| raise Errno::ENOBUFS }
      end
      logged do
        assert_raises(Errno::ENOBUFS) { serve(HELLO) { @group.send(channel: 7, ticket: 11) } }
      end
      assert_equal [7, 11], @group.claim(0)
    end

    def test_the_claim_of_a_request_that_is_cut_at_the_end_of_the_process_stands
      begun = Thread::Queue.new
      handler = handler(->(_) { begun << true && sleep }, 0)
      @group.send(channel: 7, ticket: 11)
      thread = Thread.new { handler.run }
      in_time { begun.pop }
      handler.abandon
      in_time { thread.kill.join }
      assert_equal [7, 11], @group.claim(0)
      assert_equal :wait_readable, @child.io.recv_nonblock(1, exception: false)
    end

    def test_a_marked_ticket_is_skipped_and_never_run
      @group.withdrawal(7, 11)
      serve(->(_) { flunk "it ran" }) { @group.send(channel: 7, ticket: 11) }
      message = @child.receive
      assert_equal [11, 4, 1], [message.ticket, message.type, message.flags]
      assert_equal [[0, 0], [0, 0]], [@group.claim(0), @group.answered(0)]
    end

    def test_a_ticket_above_the_mark_runs
      @group.withdrawal(7, 10)
      serve(HELLO) { @group.send(channel: 7, ticket: 11) }
      assert_equal 200, @child.receive.status
    end

    def test_the_mark_is_found_by_the_low_16_bits_of_the_channel
      child = add_child(0x1_0002_0005)
      @group.withdrawal(0x1_0002_0005, 11)
      serve(->(_) { flunk "it ran" }) { @group.send(channel: 0x1_0002_0005, ticket: 11) }
      assert_equal 4, child.receive.type
    end

    # An instance that was stopped while 65,535 other channels were made.
    def test_a_request_whose_channel_has_given_its_slot_to_another_is_skipped
      child = add_child(0x1_0002_0005)
      @group.withdrawal(0x1_0003_0005, 0)
      serve(->(_) { flunk "it ran" }) { @group.send(channel: 0x1_0002_0005, ticket: 11) }
      assert_equal 4, child.receive.type
    end

    def test_an_unknown_channel_is_fetched
      ours, theirs = seqpacket_pair
      agent = Thread.new do
        id = @agent.read.number(0)
        @channels.add(id, theirs)
        id
      end
      serve(HELLO) { @group.send(channel: 99, ticket: 1) }
      assert_equal 99, agent.value
      assert_equal "hello", Peers::Child.new(ours).receive.body
    end

    def test_a_request_whose_channel_is_gone_is_dropped
      agent = Thread.new { @channels.refuse(@agent.read.number(0)) }
      serve(->(_) { flunk "it ran" }) { @group.send(channel: 99, ticket: 1) }
      agent.join
      assert_equal [0, 0], @group.claim(0)
    end

    def test_a_child_that_left_is_dropped_quietly_and_its_channel_too
      body = Enumerator.new { |yielder| 10.times { yielder << "x" * 60_000 } }
      log = logged do
        serve(->(_) { [200, {}, body] }) do
          @group.send(channel: 7, ticket: 1) && @child.io.shutdown
        end
      end
      assert_empty log
      assert_equal [[0, 0], 0], [@group.claim(0), @channels.size]
    end

    def test_a_thread_that_outlives_its_request_changes_no_message_of_the_next_one
      late = nil
      other = add_child(8)
      before_sending(@channels.borrow(8)) { assert_raises(ClientGone) { late.call("late") } }
      child = @child
      app = lambda do |env|
        next [200, {}, [env["QUERY_STRING"]]] unless env["QUERY_STRING"].empty?

        body = Object.new
        body.define_singleton_method(:each) do |&block|
          late = block
          child.io.shutdown
          late.call("one")
        end
        [200, {}, body]
      end
      serve(app) do
        @group.send(channel: 7, ticket: 1)
        @group.send(channel: 8, ticket: 2, environment: environment("QUERY_STRING" => "next"))
      end
      assert_equal [2, "next"], in_time { other.receive }.then { |one| [one.ticket, one.body] }
    end

    def test_a_thread_waits_for_no_stream_whose_client_has_left
      body = ->(_stream) { @child.io.shutdown }
      log = logged { serve(->(_) { [200, {}, body] }) { @group.send(channel: 7, ticket: 1) } }
      assert_equal ["", [0, 0], 0], [log, @group.claim(0), @channels.size]
    end

    def test_the_flags_of_shared_descriptors_stay_as_they_are
      shared = [@group.receiver, @group.claims, @group.withdrawals, @theirs]
      before = shared.map { |io| io.fcntl(Fcntl::F_GETFL) }
      after = nil
      serve(echo_input) do
        @group.sender.sendmsg("")
        @group.send(channel: 7, ticket: 1, flags: 1)
        @child.send_body(1, "x", last: true)
        after = -> { shared.map { |io| io.fcntl(Fcntl::F_GETFL) } }
      end
      assert_equal before, after.call
    end

    private

    # The block runs between the making of a message and its sending.
    def before_sending(channel)
      %i[send_message send_parts].each do |name|
        channel.define_singleton_method(name) do |*parts|
          yield
          super(*parts)
        end
      end
    end
  end
end
