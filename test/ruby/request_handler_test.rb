# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # Queue, claims, marks and channels as an instance's thread sees them.
  class RequestHandlerTest < TestCase
    HELLO = ->(_env) { [200, { "Content-Type" => "text/plain" }, ["hello"]] }

    def setup
      super
      @group = closing(Peers::Group.new)
      @control, @agent = stream_pair.map { |io| FrameSocket.new(io) }
      @channels = Channels.new(@control)
      ours, theirs = seqpacket_pair
      @child = Peers::Child.new(ours)
      @channels.add(7, theirs)
    end

    def test_a_request_is_answered_in_one_message
      serve(HELLO) { @group.send(channel: 7, ticket: 1) }
      message = @child.receive
      assert_equal [1, 1, 1, 200], [message.ticket, message.type, message.flags, message.status]
      assert_equal "Content-Type: text/plain\r\n", message.head
      assert_equal "hello", message.body
    end

    private

    # Runs a handler until it has read all that the block sent.
    def serve(app, cell: 0)
      handler = RequestHandler.new(queue: @group.receiver, claims: @group.claims, marks: @group.marks, cell: cell,
                                   channels: @channels, adapter: RackAdapter.new(app, 1))
      yield
      @group.sender.shutdown(Socket::SHUT_WR)
      in_time { handler.run }
    end
  end
end
