# frozen_string_literal: true

require_relative "handler_test_case"

module PhusionPassenger
  # Which requests count for the limit.
  class MaxRequestsTest < HandlerTestCase
    def setup
      super
      @told = []
    end

    def test_the_last_request_reports_the_limit_and_later_ones_do_not
      answer(HELLO, 3) do |index|
        assert_equal index >= 1 ? 1 : 0, @told.size
      end
      assert_equal [true], @told
    end

    def test_requests_that_fail_count
      logged { answer(->(_) { raise "no" }, 2) }
      assert_equal [true], @told
    end

    def test_a_request_that_was_withdrawn_does_not_count
      @group.withdrawal(7, 2)
      answer(HELLO, 3)
      assert_empty @told
    end

    def test_the_limit_is_reported_after_the_answer_and_the_claim
      @max_requests = MaxRequests.new(1) do
        @told << [@group.claim(0), @child.io.recv_nonblock(70_000).bytesize.positive?]
      end
      serve(HELLO) { @group.send(channel: 7, ticket: 1) }
      assert_equal [[[0, 0], true]], @told
    end

    def test_many_threads_count_together
      counter = MaxRequests.new(4_000) { @told << true }
      4.times.map { Thread.new { 1_000.times { counter.count } } }.each(&:join)
      assert_equal [true], @told
      counter.count
      assert_equal [true], @told
    end

    private

    # A handler with a limit of two requests answers `count` requests; yields after each.
    def answer(app, count)
      @max_requests = MaxRequests.new(2) { @told << true }
      serve_in_thread(app) do
        count.times do |index|
          @group.send(channel: 7, ticket: index + 1)
          in_time { @child.receive }
          eventually("the end") { !@handler.busy? }
          yield index if block_given?
        end
      end
    end
  end
end
