# frozen_string_literal: true

require "tempfile"
require_relative "test_helper"

module PhusionPassenger
  class BodySourceTest < TestCase
    def setup
      super
      ours, theirs = seqpacket_pair
      @child = Peers::Child.new(ours)
      @channel = Channel.new(1, theirs)
      @reply = Reply.new(@channel, 5)
      @source = @reply.body_source = BodySource.new(@channel, 5, 2)
    end

    def test_all_pieces_up_to_the_last_arrive
      @child.send_body(5, "one")
      @child.send_body(5, "two", last: true)
      assert_equal ["one", "two", nil, nil], Array.new(4) { in_time { @source.next_piece } }
    end

    def test_the_last_message_may_be_empty
      @child.send_body(5, "one")
      @child.send_body(5, "", last: true)
      assert_equal ["one", nil], Array.new(2) { in_time { @source.next_piece } }
    end

    def test_an_empty_message_in_between_is_no_end
      @child.send_body(5, "")
      @child.send_body(5, "one", last: true)
      assert_equal "one", in_time { @source.next_piece }
    end

    def test_a_message_of_the_full_size_passes
      @child.send_body(5, "x" * 65_576, last: true)
      assert_equal 65_576, in_time { @source.next_piece }.bytesize
    end

    def test_a_file_comes_with_its_size
      Tempfile.create do |written|
        File.write(written, "body")
        send_file(written, 4, ticket: 5)
      end
      file, size = in_time { @source.file }
      assert_equal ["body", 4], [file.read, size]
    ensure
      file&.close
    end

    def test_a_file_comes_behind_the_rest_of_a_head
      @child.send_body(5, "head")
      send_file(File::NULL, 0, ticket: 5)
      assert_equal "head", in_time { @source.read_exactly(4) }
      in_time { @source.file }.first.close
    end

    def test_files_of_another_exchange_are_dropped_and_closed
      before = Dir.children("/proc/self/fd").size
      send_file(File::NULL, 1, ticket: 2)
      @child.send_body(2, "no file", last: true)
      send_file(File::NULL, 7, ticket: 4)
      file, size = in_time { @source.file }
      assert_equal 7, size
      assert_equal before + 1, Dir.children("/proc/self/fd").size
    ensure
      file&.close
    end

    def test_a_body_that_should_be_a_file_may_come_in_pieces
      send_file(File::NULL, 1, ticket: 2)
      @child.send_body(5, "one")
      @child.send_body(5, "two", last: true)
      assert_nil in_time { @source.file }
      assert_equal ["one", "two", nil], Array.new(3) { in_time { @source.next_piece } }
    end

    def test_a_file_for_which_there_is_no_descriptor_is_told
      send_file(File::NULL, 1, ticket: 5)
      without_room { assert_raises(BodyNotReceived) { in_time { @source.file } } }
    end

    def test_a_file_that_does_not_come_is_a_body_broken_off
      @child.io.close
      assert_raises(BodyBrokenOff) { in_time { @source.file } }
    end

    def test_messages_of_another_ticket_or_type_are_dropped
      @child.send_body(2, "stale", last: true)
      @child.send_body(6, "of no exchange yet", last: true)
      @child.send_body(5, "no body", type: 2)
      @child.io.sendmsg("short")
      @child.send_body(5, "mine", last: true)
      assert_equal ["mine", nil], Array.new(2) { in_time { @source.next_piece } }
    end

    def test_messages_under_the_tickets_of_earlier_sendings_count
      @child.send_body(3, "one")
      @child.send_body(4, "two")
      @child.send_body(5, "three", last: true)
      assert_equal ["one", "two", "three", nil], Array.new(4) { in_time { @source.next_piece } }
    end

    def test_the_last_message_may_be_of_an_earlier_sending
      @child.send_body(4, "one", last: true)
      assert_equal ["one", nil], Array.new(2) { in_time { @source.next_piece } }
    end

    def test_too_many_stale_messages_break_the_body_off
      sender = Thread.new do
        17.times { @child.send_body(2, "x" * 65_576) }
      rescue Errno::EPIPE
        nil
      end
      assert_raises(BodyBrokenOff) { in_time { @source.next_piece } }
      sender.join
    end

    def test_a_child_that_leaves_breaks_the_body_off
      @child.send_body(5, "one")
      @child.io.shutdown
      assert_equal "one", in_time { @source.next_piece }
      assert_raises(BodyBrokenOff) { in_time { @source.next_piece } }
    end

    def test_the_rest_of_a_head_is_taken_off_the_front
      @child.send_body(5, "head and ")
      @child.send_body(5, "more head, body")
      @child.send_body(5, "end", last: true)
      assert_equal "head and more head", in_time { @source.read_exactly(18) }
      assert_equal [", body", "end", nil], Array.new(3) { in_time { @source.next_piece } }
    end

    def test_a_head_that_ends_early_is_broken_off
      @child.send_body(5, "head", last: true)
      assert_raises(BodyBrokenOff) { in_time { @source.read_exactly(5) } }
    end

    # The channel is the next request's.
    def test_no_message_is_taken_off_the_channel_after_the_answer
      @child.send_body(5, "one")
      assert_equal "one", in_time { @source.next_piece }
      @reply.respond(401, "", last: true)
      @child.send_body(6, "the next request's", last: true)
      assert_raises(BodyBrokenOff) { in_time { @source.next_piece } }
      assert_equal "the next request's", next_body
    end

    def test_a_thread_that_waits_while_the_answer_ends_takes_no_message
      lasts = [-> { @reply.respond(200, "", last: true) }, -> { @reply.finish },
               -> { @reply.abort }, -> { @reply.file($stderr, 0, 1) },
               -> { closing(@reply.hijacking({}).call) }]
      lasts.each_with_index do |last, index|
        @reply = Reply.new(@channel, index)
        @source = @reply.body_source = BodySource.new(@channel, index, 0)
        reader = reader_that_waits
        last.call
        @child.send_body(6, "the next request's", last: true)
        assert_instance_of BodyBrokenOff, in_time { reader.value }
        assert_equal "the next request's", next_body
      end
    end

    # Such as a Timeout.
    def test_an_interrupted_thread_loses_no_piece
      reader = reader_that_waits
      reader.raise("interrupted")
      assert_equal "interrupted", in_time { reader.value }.message
      @child.send_body(5, "one", last: true)
      assert_equal ["one", nil], Array.new(2) { in_time { @source.next_piece } }
    end

    private

    def next_body
      in_time { BodySource.new(@channel, 6, 0).next_piece }
    end

    # Its value is the error with which it ends.
    def reader_that_waits
      reader = Thread.new do
        @source.next_piece
      rescue StandardError => e
        e
      end
      eventually("the waiting") { reader.status == "sleep" }
      reader
    end

    def send_file(file, size, ticket:)
      File.open(file) do |opened|
        message = [ticket, Layout::Reply::BODY_FILE, Layout::Reply::LAST, 0, 0, 0, 0,
                   size].pack("#{Layout::Reply::HEADER}Q<")
        @child.io.sendmsg(message, 0, nil, Socket::AncillaryData.unix_rights(opened))
      end
    end
  end
end
