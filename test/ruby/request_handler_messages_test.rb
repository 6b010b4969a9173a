# frozen_string_literal: true

require_relative "handler_test_case"

module PhusionPassenger
  # Requests of all shapes, also such as no child should send.
  class RequestHandlerMessagesTest < HandlerTestCase
    def test_a_body_that_came_along_is_the_input
      serve(echo_input) { @group.send(channel: 7, ticket: 1, body: "posted") }
      assert_equal "posted", @child.receive.body
    end

    def test_a_body_that_follows_is_the_input
      serve(echo_input) do
        @group.send(channel: 7, ticket: 1, flags: 1)
        @child.send_body(1, "one ")
        @child.send_body(1, "two", last: true)
      end
      assert_equal "one two", @child.receive.body
    end

    def test_a_body_that_was_sent_before_its_request_was_sent_again_is_the_input
      serve(echo_input) do
        @child.send_body(1, "long before")
        @child.send_body(3, "one ")
        @child.send_body(4, "two ")
        @group.send(channel: 7, ticket: 5, flags: 1, resends: 2)
        @child.send_body(5, "three", last: true)
      end
      assert_equal "one two three", @child.receive.body
    end

    def test_a_body_shorter_than_its_content_length_is_broken_off
      app = ->(env) {
        [200, {}, [(env["rack.input"].read(4) || "") + (env["rack.input"].read || "")]]
      }
      serve(app) do
        @group.send(channel: 7, ticket: 1, flags: 1,
                    environment: environment("CONTENT_LENGTH" => "8"))
        @child.send_body(1, "one two", last: true)
        @group.send(channel: 7, ticket: 2, flags: 1,
                    environment: environment("CONTENT_LENGTH" => "8"))
        @child.send_body(2, "one two!", last: true)
      end
      assert_equal [[400, "Bad Request"], [200, "one two!"]],
                   Array.new(2) { @child.receive }.map { |m| [m.status, m.body] }
    end

    def test_a_body_from_which_httpd_has_taken_a_coding_has_a_length_of_its_own
      serve(echo_input) do
        coded = environment("CONTENT_LENGTH" => "8", "HTTP_CONTENT_ENCODING" => "gzip")
        @group.send(channel: 7, ticket: 1, flags: 1, environment: coded)
        @child.send_body(1, "one two", last: true)
      end
      assert_equal [200, "one two"], @child.receive.then { |m| [m.status, m.body] }
    end

    def test_an_answer_may_come_before_the_body_was_read
      serve(HELLO) { @group.send(channel: 7, ticket: 1, flags: 1) }
      assert_equal "hello", @child.receive.body
    end

    def test_an_unread_body_does_not_become_part_of_the_next_request
      serve(->(env) { env["QUERY_STRING"].empty? ? HELLO.call(nil) : echo_input.call(env) }) do
        @group.send(channel: 7, ticket: 1, flags: 1)
        @child.send_body(1, "old", last: true)
        @group.send(channel: 7, ticket: 2, flags: 1,
                    environment: environment("QUERY_STRING" => "echo"))
        @child.send_body(2, "new", last: true)
      end
      assert_equal %w[hello new], [@child.receive, @child.receive].map(&:body)
    end

    def test_a_long_head_goes_on_in_body_messages
      long = "x" * 150_000
      app = ->(env) { [200, {}, [env["HTTP_LONG"], env["rack.input"].read]] }
      serve_in_thread(app) do
        variables = environment("HTTP_LONG" => long)
        rest = @group.send(channel: 7, ticket: 1, flags: 1, environment: variables) + "the body"
        rest.b.scan(/.{1,65512}/mn) { |piece| @child.send_body(1, piece) }
        @child.send_body(1, "", last: true)
        _, _, body, = in_time { @child.answer }
        assert_equal "#{long}the body", body
      end
    end

    def test_a_head_of_one_mebibyte_is_the_largest
      log = logged do
        serve(->(_) { flunk "it ran" }) do
          @group.send(channel: 7, ticket: 1, flags: 1, head_length: 1_048_577)
        end
      end
      assert_equal 500, @child.receive.status
      assert_includes log, "the head has 1048577 bytes"
    end

    def test_requests_that_cannot_be_understood_are_claimed_and_answered_500
      log = logged do
        serve(->(_) { flunk "it ran" }) do
          @group.send(channel: 7, ticket: 1, version: 1)
          @group.send(channel: 7, ticket: 2, environment: "A\0")
          @group.send(channel: 7, ticket: 3, environment: "A\0b\0", head_length: 100)
        end
      end
      assert_equal [[1, 500], [2, 500], [3, 500]],
                   Array.new(3) { @child.receive }.map { |m| [m.ticket, m.status] }
      assert_equal 3, log.scan("event=request.").size
      assert_equal [0, 0], @group.claim(0)
    end

    def test_a_message_too_short_for_its_header_is_logged_and_dropped
      log = logged do
        serve(HELLO) do
          @group.sender.sendmsg("x" * 31)
          @group.send(channel: 7, ticket: 1)
        end
      end
      assert_equal "hello", @child.receive.body
      assert_includes log, "bytes=31"
    end

    def test_the_longest_message_is_taken
      serve(echo_input) { @group.send_message(65_600, channel: 7, ticket: 1) }
      assert_equal 65_600 - 32, @child.receive.body.bytesize +
                     Peers.environment_bytes(Peers::ENVIRONMENT).bytesize
    end

    def test_a_longer_message_is_claimed_and_answered_500
      log = logged do
        serve(->(_) { flunk "it ran" }) do
          @group.send_message(65_601, channel: 7, ticket: 1)
          @group.send_message(200_000, channel: 7, ticket: 2)
        end
      end
      assert_equal [[1, 500], [2, 500]],
                   Array.new(2) { @child.receive }.map { |m| [m.ticket, m.status] }
      assert_equal 2, log.scan("the message has more than 65600 bytes").size
      assert_equal [0, 0], @group.claim(0)
    end

    def test_messages_without_bytes_are_no_end
      serve_in_thread(HELLO) { |thread| assert_answers_behind_empty_messages(thread, @group) }
    end

    def test_messages_without_bytes_are_no_end_of_an_own_queue_either
      own = closing(Peers::Group.new)
      @intake = IntakeToTheEnd.new(handover(own: own.receiver))
      serve_in_thread(HELLO) do |thread|
        [@group, own].each { |queue| assert_answers_behind_empty_messages(thread, queue) }
      end
    end

    def test_an_end_behind_messages_without_bytes_is_the_end
      serve(HELLO) { 10.times { @group.sender.sendmsg("") } }
      refute @child.io.wait_readable(0)
    end

    def test_a_message_without_bytes_before_another_is_no_end
      serve(HELLO) do
        @group.sender.sendmsg("")
        @group.send(channel: 7, ticket: 1)
      end
      assert_equal "hello", @child.receive.body
    end

    def test_a_head_request_gets_no_body
      serve(HELLO) { @group.send(channel: 7, ticket: 1, flags: 4) }
      message = @child.receive
      assert_equal [1, "", "Content-Type: text/plain\r\n"],
                   [message.flags, message.body, message.head]
    end

    def test_a_child_that_leaves_while_its_body_comes_is_dropped_quietly
      log = logged do
        serve(echo_input) do
          @group.send(channel: 7, ticket: 1, flags: 1)
          @child.send_body(1, "one")
          @child.io.shutdown
        end
      end
      assert_equal ["", [0, 0], 0], [log, @group.claim(0), @channels.size]
    end

    private

    # Those that come while it waits, and those that are there already.
    def assert_answers_behind_empty_messages(thread, queue)
      [1, 2, 3, 10].each_with_index do |count, index|
        eventually("waiting") { thread.status == "sleep" }
        count.times { queue.sender.sendmsg("") }
        eventually("waiting again") { thread.status == "sleep" } if index.even?
        queue.send(channel: 7, ticket: index + 1)
        assert_equal "hello", in_time { @child.receive }.body
      end
    end
  end
end
