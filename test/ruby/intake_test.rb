# frozen_string_literal: true

require_relative "handler_test_case"

module PhusionPassenger
  # Pausing, going on and finishing, as handlers in their threads see it.
  class IntakeTest < HandlerTestCase
    def setup
      super
      @told = Thread::Queue.new
      @running = []
      @closers << -> { finish }
    end

    def test_threads_that_sleep_in_reading_take_nothing_after_a_pause
      run_handlers(HELLO, 2)
      eventually("reading") { all_asleep? }
      @intake.pause
      in_time { @told.pop }
      @group.send(channel: 7, ticket: 1)
      assert_equal 1, @group.receiver.recv(70_000).unpack1("@16Q<")
      assert_equal :wait_readable, @child.io.recv_nonblock(1, exception: false)
    end

    def test_a_request_sent_during_a_pause_is_answered_after_the_pause
      run_handlers(HELLO, 1)
      @intake.pause
      @group.send(channel: 7, ticket: 1)
      in_time { @told.pop }
      assert @intake.resume
      assert_equal 200, in_time { @child.receive }.status
    end

    def test_the_same_threads_go_on_after_a_pause
      run_handlers(->(_) { [200, {}, [Thread.current.object_id.to_s]] }, 1)
      answers = Array.new(2) do |index|
        @group.send(channel: 7, ticket: index + 1)
        answer = in_time { @child.receive }.body
        @intake.pause
        @intake.resume
        answer
      end
      assert_equal 1, answers.uniq.size
    end

    def test_a_request_in_work_is_finished_and_its_sleep_is_not_cut_short
      begun = Thread::Queue.new
      run_handlers(->(_) { (begun << Thread.current) && Thread.stop || HELLO.call(nil) }, 1)
      @group.send(channel: 7, ticket: 1)
      sleeper = in_time { begun.pop }
      eventually("sleep") { sleeper.stop? }
      @intake.pause
      assert_predicate sleeper, :stop?
      assert_empty @told
      sleeper.run
      assert_equal 200, in_time { @child.receive }.status
      in_time { @told.pop }
    end

    def test_the_intake_reports_once_that_the_last_thread_is_idle
      release = Thread::Queue.new
      run_handlers(->(_) { release.pop && HELLO.call(nil) }, 3)
      2.times { |index| @group.send(channel: add_channel(20 + index), ticket: 1) }
      eventually("both requests") { @running.count { |handler, _| handler.busy? } == 2 }
      @intake.pause
      release << true
      eventually("one answer") { @running.one? { |handler, _| handler.busy? } }
      assert_empty @told
      release << true
      in_time { @told.pop }
      @intake.pause
      finish
      assert_empty @told
    end

    def test_while_idle_waits_for_a_moment_without_requests_and_all_threads_continue
      release = Thread::Queue.new
      run_handlers(->(_) { release.pop && HELLO.call(nil) }, 2)
      @group.send(channel: 7, ticket: 1)
      eventually("the request") { @running.one? { |handler, _| handler.busy? } }
      quiet = Thread.new do
        @intake.while_idle(20) { @running.none? { |handler, _| handler.busy? } }
      end
      release << true
      assert in_time { quiet.value }
      release << true
      @group.send(channel: add_channel(8), ticket: 1)
      eventually("the other request") { release.empty? }
      assert_empty @told
    end

    def test_while_idle_gives_up_after_its_time_limit_and_all_threads_continue
      release = Thread::Queue.new
      run_handlers(->(_) { release.pop && HELLO.call(nil) }, 2)
      @group.send(channel: 7, ticket: 1)
      eventually("the request") { @running.one? { |handler, _| handler.busy? } }
      assert_nil(@intake.while_idle(0.05) { flunk "a request is in work" })
      2.times { release << true }
      @group.send(channel: add_channel(8), ticket: 1)
      eventually("both requests") { release.empty? }
    end

    def test_a_pause_lasts_beyond_the_end_of_while_idle
      run_handlers(HELLO, 1)
      @intake.pause
      in_time { @told.pop }
      assert(@intake.while_idle(20) { true })
      refute_predicate @intake, :open?
      assert @intake.resume
    end

    def test_a_pause_that_ends_before_its_last_request_is_not_reported
      release = Thread::Queue.new
      run_handlers(->(_) { release.pop && HELLO.call(nil) }, 1)
      @group.send(channel: 7, ticket: 1)
      eventually("the request") { @running[0][0].busy? }
      @intake.pause
      @intake.resume
      release << true
      in_time { @child.receive }
      finish
      assert_empty @told
    end

    def test_each_of_many_pauses_is_reported_and_no_message_is_lost
      run_handlers(HELLO, 3)
      sender = Thread.new { 1.upto(2_000) { |ticket| @group.send(channel: 7, ticket: ticket) } }
      answers = Thread::Queue.new
      receiver = Thread.new { 2_000.times { answers << @child.receive.ticket } }
      tickets = Array.new(50) do
        @intake.pause
        in_time { @told.pop }
        @intake.resume
        in_time { answers.pop }
      end
      in_time { [sender, receiver].each(&:join) }
      tickets << answers.pop until answers.empty?
      assert_equal (1..2_000).to_a, tickets.sort
      assert_empty @told
    end

    def test_pauses_between_which_no_thread_wakes_are_reported_too
      run_handlers(HELLO, 3)
      100.times do
        @intake.pause
        in_time { @told.pop }
        @intake.resume
      end
      assert_empty @told
    end

    def test_threads_that_begin_during_a_pause_take_nothing
      @intake = intake(1)
      @intake.pause
      @group.send(channel: 7, ticket: 1)
      run_handler(HELLO, 0)
      in_time { @told.pop }
      assert_equal :wait_readable, @child.io.recv_nonblock(1, exception: false)
    end

    def test_resume_without_a_pause_changes_nothing
      run_handlers(HELLO, 1)
      refute @intake.resume
      @intake.pause
      assert @intake.resume
      refute @intake.resume
    end

    def test_a_pause_can_be_finished
      run_handlers(HELLO, 2)
      @intake.pause
      in_time { @told.pop }
      finish
      refute @intake.resume
      assert_predicate @group.receiver, :closed?
    end

    def test_a_thread_that_does_not_wake_ends_when_the_queue_is_closed
      run_handlers(HELLO, 1)
      handler, thread = @running[0]
      eventually("reading") { all_asleep? }
      handler.define_singleton_method(:wake) { false }
      @intake.finish
      in_time { thread.join }
      assert_predicate @group.receiver, :closed?
    end

    def test_finish_loses_no_message
      queue = closing(@group.receiver.dup)
      run_handlers(HELLO, 3)
      sender = Thread.new { 1.upto(500) { |ticket| @group.send(channel: 7, ticket: ticket) } }
      answered = Thread::Queue.new
      receiver = Thread.new { answered << true while @child.receive }
      in_time { answered.pop }
      finish
      left = Thread.new { count_to_the_end(queue) }
      in_time { sender.join }
      @group.end_queue
      @channels.drop(7)
      assert_equal 500, in_time { receiver.join && left.value } + answered.size + 1
    end

    private

    def intake(count)
      Intake.new(handover(threads: count)) { @told << true }
    end

    def run_handlers(app, count)
      @intake = intake(count)
      count.times { |cell| run_handler(app, cell) }
    end

    def run_handler(app, cell)
      handler = handler(app, cell)
      @running << [handler, Thread.new { handler.run }]
    end

    def all_asleep?
      @running.all? { |_, thread| thread.status == "sleep" }
    end

    def count_to_the_end(queue)
      count = 0
      count += 1 until queue.recv(70_000).to_s.empty?
      count
    end

    def finish
      @intake.finish
      in_time { @running.each { |_, thread| thread.join } }
    end

    def add_channel(id)
      add_child(id)
      id
    end
  end
  # The same where the instance has a queue of its own, too.
  class IntakeWithOwnQueueTest < IntakeTest
    def setup
      super
      @own = closing(Peers::Group.new)
      @closers << -> { finish }
    end

    def test_each_of_many_pauses_is_reported_and_no_message_of_either_queue_is_lost
      run_handlers(HELLO, 3)
      sender = Thread.new do
        1.upto(1_000) { |ticket| [@own, @group][ticket % 2].send(channel: 7, ticket: ticket) }
      end
      receiver = Thread.new { Array.new(1_000) { @child.receive.ticket } }
      30.times do
        @intake.pause
        in_time { @told.pop }
        @intake.resume
      end
      in_time { sender.join }
      assert_equal (1..1_000).to_a, in_time { receiver.value }.sort
    end

    def test_a_request_sent_to_the_own_queue_during_a_pause_is_answered_after_the_pause
      run_handlers(HELLO, 2)
      @intake.pause
      in_time { @told.pop }
      @own.send(channel: 7, ticket: 1)
      assert_nil @child.io.wait_readable(0.05)
      @intake.resume
      assert_equal 200, in_time { @child.receive }.status
    end

    def test_a_request_left_in_the_own_queue_at_the_end_is_not_begun
      run_handlers(HELLO, 1)
      @intake.pause
      in_time { @told.pop }
      @own.send(channel: 7, ticket: 1)
      finish
      assert_equal [0, 0], @group.claim(0)
      assert_nil @child.io.wait_readable(0.05)
    end

    private

    def intake(count)
      Intake.new(handover(threads: count, own: @own.receiver)) { @told << true }
    end
  end
end
