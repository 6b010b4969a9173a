# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # The bytes of section 3 of doc/PROTOCOLS.md.
  class ReplyTest < TestCase
    def setup
      super
      @io, @theirs = seqpacket_pair
      @child = Peers::Child.new(@io)
      @reply = Reply.new(Channel.new(1, @theirs), 0x0102030405060708, +"", 0x0A0B0C0D)
    end

    def test_a_small_answer_is_one_message
      @reply.respond(200, "A: 1\r\n", "hello", last: true)
      assert_equal "\x08\x07\x06\x05\x04\x03\x02\x01\x01\x01\xC8\0\x06\0\0\0\x0D\x0C\x0B\x0A" \
                   "\0\0\0\0A: 1\r\nhello".b, @io.recv(100)
      assert_predicate @reply, :finished?
    end

    def test_an_answer_in_pieces_ends_with_an_empty_last_message
      @reply.respond(404, "A: 1\r\n")
      @reply.data("more")
      @reply.finish
      assert_equal ["\x08\x07\x06\x05\x04\x03\x02\x01\x01\x00\x94\x01\x06\0\0\0\x0D\x0C\x0B\x0A" \
                    "\0\0\0\0A: 1\r\n".b,
                    "\x08\x07\x06\x05\x04\x03\x02\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0more".b,
                    "\x08\x07\x06\x05\x04\x03\x02\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0".b],
                    Array.new(3) { @io.recv(100) }
    end

    def test_skipped_and_aborted_are_last
      @reply.skip
      assert_equal "\x08\x07\x06\x05\x04\x03\x02\x01\x04\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0".b,
                   @io.recv(100)
      reply = Reply.new(Channel.new(1, stream_pair[0]), 1)
      refute_predicate reply, :started?
    end

    def test_a_file_is_the_last_message
      File.open(__FILE__) do |file|
        assert @reply.file(file, 3, 5)
      end
      message, _, _, control = @io.recvmsg(100, 0, nil, scm_rights: true)
      assert_equal "\x08\x07\x06\x05\x04\x03\x02\x01\x09\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
                   "\x03\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0".b, message
      assert_equal File.read(__FILE__), closing(control.unix_rights.first).read
      assert_predicate @reply, :finished?
    end

    def test_a_hijacked_connection_s_other_end_goes_to_the_child
      ours = closing(@reply.hijack)
      bytes, stream = received_with_stream
      assert_equal "\x08\x07\x06\x05\x04\x03\x02\x01\x07\x01\0\0\0\0\0\0\x0D\x0C\x0B\x0A\0\0\0\0".b,
                   bytes
      ours.write("hello")
      assert_equal "hello", stream.readpartial(10)
      assert_predicate @reply, :finished?
    end

    def test_the_head_of_a_hijacked_connection_follows_its_stream
      closing(@reply.respond_and_hijack(101, "A: 1\r\n"))
      bytes, = received_with_stream
      assert_equal [7, 0], bytes.unpack("x8CC")
      answer = @child.receive
      assert_equal [1, 101, "A: 1\r\n", true],
                   [answer.type, answer.status, answer.head, answer.last?]
    end

    def test_a_transferable_connection_waits_for_the_child_s_answer
      @reply.transferable = true
      answers = Thread.new { @reply.respond_and_hijack(101, "A: 1\r\n") }
      bytes, stream = received_with_stream
      assert_equal [7, 2], bytes.unpack("x8CC")
      assert_equal [101, true], [@child.receive].flat_map { |one| [one.status, one.last?] }
      stream.write("R")
      closing(answers.value).write("hello")
      assert_equal "hello", stream.readpartial(10)
    end

    def test_an_answer_that_has_begun_cannot_be_hijacked
      @reply.respond(200, "")
      assert_match(/has begun/, assert_raises(IOError) { @reply.hijack }.message)
    end

    def test_an_interim_answer_comes_before_the_answer_or_not_at_all
      @reply.interim(103, "A: 1\r\n")
      @reply.respond(200, "", last: true)
      @reply.interim(103, "A: 2\r\n")
      assert_equal [[3, 103, "A: 1\r\n"], [1, 200, ""]],
                   Array.new(2) { @child.receive }.map { |m| [m.type, m.status, m.head] }
      assert_raises(IO::WaitReadable) { @io.recv_nonblock(1) }
    end

    # A thread of an earlier request sends it, while the handler waits for room.
    def test_a_late_interim_answer_leaves_the_messages_of_the_next_request_whole
      buffer = String.new(capacity: Layout::MESSAGE_LIMIT + 1, encoding: Encoding::BINARY)
      left = Reply.new(Channel.new(1, @theirs), 1, buffer)
      ours, theirs = seqpacket_pair
      answer = Reply.new(Channel.new(2, theirs), 2, buffer)
      pieces = [*"A".."T"].map { |byte| byte * 60_000 }
      answer.respond(200, "")
      sender = Thread.new { pieces.each { |piece| answer.data(piece) } }
      eventually("the waiting") { sender.status == "sleep" }
      left.interim(103, "A: 1\r\n")
      child = Peers::Child.new(ours)
      assert_equal ["", *pieces], in_time { Array.new(21) { child.receive.body } }
      sender.join
    end

    def test_nothing_follows_aborted
      @reply.respond(200, "")
      @reply.abort
      @reply.data("late")
      @reply.finish
      assert_equal [1, 6], [@child.receive, @child.receive].map(&:type)
      assert_equal :wait_readable, @io.recv_nonblock(1, exception: false)
    end

    def test_nothing_follows_the_last_message
      @reply.respond(200, "", "x", last: true)
      @reply.data("late")
      @reply.finish
      @reply.abort
      @child.receive
      assert_equal :wait_readable, @io.recv_nonblock(1, exception: false)
    end

    def test_an_empty_piece_is_no_message
      @reply.respond(200, "")
      @reply.data("")
      @reply.finish
      assert_equal [1, 2], [@child.receive, @child.receive].map(&:type)
    end

    def test_the_largest_message_is_one_and_one_byte_more_are_two
      assert_equal [[65_600, 1]],
                   sizes { @reply.respond(200, "A: 1\r\n", "x" * 65_570, last: true) }
      reply = Reply.new(@reply.instance_variable_get(:@channel), 1)
      assert_equal [[65_600, 0], [25, 1]],
                   sizes { reply.respond(200, "A: 1\r\n", "x" * 65_571, last: true) }
    end

    def test_a_long_piece_is_cut
      @reply.respond(200, "")
      @child.receive
      assert_equal [[65_600, 0], [65_600, 0], [25, 1]],
                   sizes { @reply.data("x" * 131_153, last: true) }
    end

    def test_a_piece_that_fills_its_messages_needs_no_further_one
      @reply.respond(200, "")
      @child.receive
      assert_equal [[65_600, 0], [65_600, 1]], sizes { @reply.data("x" * 131_152, last: true) }
    end

    def test_a_head_that_does_not_fit_goes_on_in_data
      head = "A: #{'a' * 130_000}\r\n"
      sender = Thread.new { @reply.respond(200, head, "body", last: true) }
      status, received, body, messages = in_time { @child.answer }
      sender.join
      assert_equal [200, head, "body"], [status, received, body]
      assert_equal [1, 2, 2], messages.map(&:type)
      assert_equal [head.bytesize, 0, 0], messages.map(&:head_length)
    end

    def test_head_and_body_that_do_not_fit_are_cut_at_the_limit
      head = "A: #{'a' * 65_000}\r\n"
      body = Random.new(1).bytes(100_000)
      sender = Thread.new { @reply.respond(200, head, body, last: true) }
      _, received, received_body, messages = in_time { @child.answer }
      sender.join
      assert_equal [head, body], [received, received_body]
      assert_equal 65_576, messages[0].payload.bytesize
    end

    def test_bytes_of_any_encoding_pass
      @reply.respond(200, "X: Zoë\r\n", "größer", last: true)
      assert_equal ["X: Zoë\r\n".b, "größer".b],
                   @child.receive.then { |message| [message.head, message.body] }
    end

    def test_a_descriptor_goes_along_with_accepted
      mine, theirs = stream_pair
      @reply.accept(theirs)
      bytes, _, _, control = @io.recvmsg(100, 0, nil, scm_rights: true)
      passed = closing(control.unix_rights[0])
      assert_equal "\x08\x07\x06\x05\x04\x03\x02\x01\x05\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0".b, bytes
      passed.syswrite("hello")
      assert_equal "hello", mine.recv(10)
    end

    def test_a_channel_that_does_not_block_is_waited_for
      ours, theirs = UNIXSocket.pair(:SEQPACKET).each { |io| closing(io) }
      reply = Reply.new(Channel.new(1, theirs), 1)
      sender = Thread.new { reply.respond(200, "", "x" * 2_000_000, last: true) }
      eventually("the waiting") { sender.status == "sleep" }
      assert_equal 2_000_000, in_time { Peers::Child.new(ours).answer }[2].bytesize
      sender.join
    end

    def test_a_child_that_left_raises_client_gone
      @io.shutdown
      assert_raises(ClientGone) { @reply.respond(200, "", "x", last: true) }
      refute_predicate @reply, :started?
    end

    def test_a_look_whether_the_client_is_there_changes_nothing
      flags = @theirs.fcntl(Fcntl::F_GETFL)
      @reply.check_client
      @child.send_body(1, "unread")
      @reply.check_client
      assert_equal "unread", @theirs.recv(100).byteslice(24..)
      assert_equal flags, @theirs.fcntl(Fcntl::F_GETFL)
    end

    # The child wants no more of the request's body, since the answer has begun.
    def test_a_child_that_sends_no_more_is_there
      @io.shutdown(:WR)
      @reply.check_client
    end

    def test_a_child_that_left_is_seen_behind_an_unread_body
      flags = @theirs.fcntl(Fcntl::F_GETFL)
      @child.send_body(1, "unread")
      @io.shutdown
      assert_raises(ClientGone) { @reply.check_client }
      assert_equal flags, @theirs.fcntl(Fcntl::F_GETFL)
    end

    private

    # Size and flags of the messages that the block sends.
    def sizes(&block)
      sender = Thread.new(&block)
      messages = []
      messages << in_time { @child.receive } until messages.last&.last?
      sender.join
      messages.map { |message| [message.payload.bytesize + 24, message.flags] }
    end

    # The next message and the descriptor in it.
    def received_with_stream
      bytes, _, _, control = @io.recvmsg(100, 0, nil, scm_rights: true)
      [bytes, closing(control.unix_rights[0])]
    end
  end
end
