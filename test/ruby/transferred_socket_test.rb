# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # The child's answer to WANTS_CLIENT.
  class TransferredSocketTest < TestCase
    def setup
      super
      @stream, @child = stream_pair
    end

    def test_the_client_s_own_socket_comes
      listener = closing(TCPServer.new("127.0.0.1", 0))
      client = closing(TCPSocket.new("127.0.0.1", listener.local_address.ip_port))
      accepted = closing(listener.accept)
      answer("C", accepted)
      socket = closing(TransferredSocket.receive(@stream))
      assert_instance_of TCPSocket, socket
      assert_equal client.local_address.ip_port, socket.peeraddr[1]
      assert_predicate socket, :close_on_exec?
      socket.write("hello")
      assert_equal "hello", client.readpartial(10)
      assert_predicate @stream, :closed?
    end

    def test_the_child_passes_the_bytes_on
      answer("R")
      stream = TransferredSocket.receive(@stream)
      @child.write("hello")
      assert_same @stream, stream
      assert_equal "hello", stream.readpartial(10)
    end

    def test_a_child_that_has_ended_is_a_client_that_has_gone
      @child.close
      assert_gone
    end

    def test_an_answer_of_another_form_is_a_client_that_has_gone
      answer("C")
      assert_gone
    end

    def test_another_file_than_a_client_s_socket_is_a_client_that_has_gone
      reader, writer = IO.pipe
      ours, theirs = stream_pair
      [writer, theirs].each do |file|
        answer("C", file)
        file.close
        assert_output(nil, nil) { assert_gone }
        @stream, @child = stream_pair
      end
      assert_equal [nil, nil], [reader.read(1), ours.read(1)]
    ensure
      reader&.close
    end

    def test_an_unknown_answer_leaves_no_descriptor_behind
      reader, writer = IO.pipe
      answer("X", writer)
      writer.close
      assert_gone
      assert_nil reader.read(1)
    ensure
      reader&.close
    end

    private

    def answer(byte, *ios)
      rights = ios.map { |io| Socket::AncillaryData.unix_rights(io) }
      @child.sendmsg(byte, 0, nil, *rights)
    end

    def assert_gone
      assert_raises(ClientGone) { TransferredSocket.receive(@stream) }
      assert_predicate @stream, :closed?
    end
  end
end
