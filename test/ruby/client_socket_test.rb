# frozen_string_literal: true

require_relative "test_helper"
require "minitest/mock"
require "passenger/http/client_socket"

module PhusionPassenger
  # The Ruby implementation; the class below tests the C implementation.
  class PlainClientSocketTest < TestCase
    def sockets
      PlainClientSocket
    end

    # Returns a socket of a worker, and the client.
    def connected
      socket, client = accepted(listener)
      [closing_socket(socket), client]
    end

    def accepted(listening, accepting = sockets)
      client = closing(TCPSocket.new("127.0.0.1", listening.local_address.ip_port))
      [accept(listening, accepting)[0], client]
    end

    # The kernel may announce a client a moment later.
    def accept(listening, accepting = sockets)
      eventually("a client") { accepting.accept(listening) }
    end

    def closing_socket(socket)
      @closers << -> { socket.close }
      socket
    end

    def listener(address = "127.0.0.1")
      closing(Addrinfo.tcp(address, 0).listen)
    end

    def test_a_client_is_accepted_with_its_address
      %w[127.0.0.1 ::1].each do |address|
        listening = listener(address)
        assert_nil sockets.accept(listening)
        client = closing(TCPSocket.new(address, listening.local_address.ip_port))
        socket, peer = accept(listening)
        closing_socket(socket)
        assert_equal address, peer
        assert socket.to_io.close_on_exec?
        client.write("hello")
        eventually { socket.more? }
        assert_equal "hello", socket.receive
      end
    end

    # As systemd makes one.
    def test_an_ipv4_client_of_a_socket_for_both_families_has_its_own_address
      listening = closing(Socket.new(:INET6, :STREAM))
      listening.setsockopt(:IPV6, :V6ONLY, 0)
      listening.bind(Addrinfo.tcp("::", 0))
      listening.listen(1)
      _client = closing(TCPSocket.new("127.0.0.1", listening.local_address.ip_port))
      socket, peer = accept(listening)
      closing_socket(socket)
      assert_equal "127.0.0.1", peer
    end

    def test_a_client_without_an_internet_address_has_none
      path = File.join(Dir.mktmpdir.tap { |folder| @closers << -> { FileUtils.rm_rf(folder) } },
                       "s")
      listening = closing(Socket.unix_server_socket(path))
      closing(UNIXSocket.new(path))
      socket, peer = accept(listening)
      closing_socket(socket)
      assert_nil peer
    end

    def test_without_a_free_descriptor_the_client_stays_in_the_backlog
      listening = listener
      closing(TCPSocket.new("127.0.0.1", listening.local_address.ip_port))
      without_room { assert_raises(Errno::EMFILE) { sockets.accept(listening) } }
      closing_socket(accept(listening)[0])
    end

    def test_bytes_arrive_unchanged_and_then_the_end
      socket, client = connected
      assert_nil socket.receive
      refute socket.more?
      client.write("a\0\xFF".b)
      eventually { socket.more? }
      bytes = socket.receive
      assert_equal ["a\0\xFF".b, Encoding::BINARY], [bytes, bytes.encoding]
      client.write("x" * (PlainClientSocket::PIECE + 1))
      sizes = []
      eventually { sizes << socket.receive.to_s.bytesize && sizes.sum > PlainClientSocket::PIECE }
      assert_operator sizes.max, :<=, PlainClientSocket::PIECE
      client.close
      eventually { socket.receive == false }
    end

    def test_bytes_that_do_not_fit_are_not_sent
      socket, client = connected
      assert_equal 5, socket.transmit("hello")
      assert_equal "hello", client.readpartial(10)
      sent = 0
      while (count = socket.transmit("x" * 1_000_000))
        sent += count
      end
      assert_nil count
      assert_equal sent, client.read(sent).bytesize
      assert_equal :wait_readable, client.read_nonblock(1, exception: false)
    end

    def test_a_reset_connection_has_ended
      listening = listener
      client = TCPSocket.new("127.0.0.1", listening.local_address.ip_port)
      socket, = accept(listening)
      closing_socket(socket)
      client.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack("ii"))
      client.close
      eventually { socket.receive == false }
      refute socket.more?
      assert_equal false, socket.transmit("x")
    end

    def test_a_closed_connection_has_ended
      socket, = connected
      socket.close
      socket.close
      assert_equal [false, false, false], [socket.receive, socket.transmit("x"), socket.more?]
      assert_raises(IOError) { socket.fileno }
    end

    def test_the_io_of_a_client_socket_is_made_once_and_closed_with_the_socket
      socket, client = connected
      io = socket.to_io
      assert_same io, socket.to_io
      assert_equal io.fileno, socket.fileno
      io.write("by hand")
      assert_equal "by hand", client.readpartial(10)
      socket.close
      assert io.closed?
      assert_nil client.read(1)
    end

    # An application may close a hijacked connection and open another file.
    def test_a_connection_whose_io_was_closed_has_ended
      socket, = connected
      socket.to_io.close
      closing(File.open(File::NULL))
      assert_equal [false, false, false], [socket.receive, socket.transmit("x"), socket.more?]
      assert_raises(IOError) { socket.fileno }
    end

    # No code closes such a socket.
    def test_a_socket_without_references_is_closed_by_the_collector
      clients = lose_many
      eventually do
        GC.start
        clients.count { |client| client.wait_readable(0) } > 50
      end
    end

    def lose_many
      listening = listener
      Array.new(100) { accepted(listening)[1] }
    end

    def test_only_strings_can_be_written
      socket, = connected
      if sockets != PlainClientSocket
        assert_raises(TypeError) do
          Native::ClientSocket.instance_method(:transmit).bind_call(socket, nil)
        end
      end
      assert_raises(TypeError, NoMethodError) { sockets.accept(nil) }
    end
  end

  class NativeClientSocketTest < PlainClientSocketTest
    def setup
      super
      skip "there is no native code" unless Native::LOADED
    end

    def sockets
      Native::ClientSocket
    end

    def test_a_client_socket_cannot_be_made_without_a_descriptor
      assert_raises(NoMethodError, TypeError) { Native::ClientSocket.new }
    end

    # The collector would close the second one's descriptor when another connection has its number.
    def test_a_thread_that_asks_for_the_io_while_it_is_made_gets_the_only_one
      socket, client = connected
      theirs = nil
      ours, made = meanwhile(-> { theirs = socket.to_io }) { socket.to_io }
      assert_same theirs, ours
      assert_equal [true, false], made.map(&:autoclose?)
      ours.write("x")
      assert_equal "x", client.readpartial(2)
    end

    def test_an_io_that_is_made_while_another_thread_closes_the_socket_closes_nothing
      socket, = connected
      close = lambda do
        number = socket.fileno
        socket.close
        assert_equal number, closing(Socket.new(:UNIX, :STREAM)).fileno
      end
      error, made = meanwhile(close) { assert_raises(IOError) { socket.to_io } }
      assert_equal "closed socket", error.message
      assert_equal [false], made.map(&:autoclose?)
    end

    # Calls `other` as soon as the block asks for an IO, as if another thread ran then. Returns the
    # block's value and all IOs that were made.
    def meanwhile(other)
      made = []
      for_fd = Socket.method(:for_fd)
      making = lambda do |number|
        now, other = other, nil
        now&.call
        made << for_fd.call(number)
        made.last
      end
      [Socket.stub(:for_fd, making) { yield }, made]
    end

    # Workers with and without native code may share a queue.
    def test_both_implementations_read_what_the_other_gives
      [[PlainClientSocket, Native::ClientSocket],
       [Native::ClientSocket, PlainClientSocket]].each do |giver, taker|
        taking, giving = UNIXSocket.pair(:SEQPACKET).each { |socket| closing(socket) }
        given, client = accepted(listener, giver)
        closing_socket(given)
        assert given.give(giving, 12.5, "::1")
        taken, peer, deadline = taker.take(taking)
        closing_socket(taken)
        client.write("x")
        eventually { taken.more? }
        assert_equal ["x", "::1", 12.5], [taken.receive, peer, deadline]
      end
    end
  end
end
