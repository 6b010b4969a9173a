# frozen_string_literal: true

require_relative "test_helper"
require "passenger/http/connection_queue"

module PhusionPassenger
  # Connections on their way from one worker to another.
  class ConnectionQueueTest < TestCase
    Connection = Struct.new(:socket, :deadline, :peer)

    def setup
      super
      taking, @giving = UNIXSocket.pair(:SEQPACKET).each { |socket| closing(socket) }
      @queue = ConnectionQueue.new(taking, @giving)
    end

    def given
      ours, theirs = UNIXSocket.pair.each { |socket| closing(socket) }
      assert @queue.give(Connection.new(PlainClientSocket.new(theirs), 12.5, "::1"))
      theirs.close
      ours
    end

    def test_a_connection_arrives_with_its_socket_its_peer_and_its_deadline
      ours = given
      io, peer, deadline = @queue.next_connection
      ours.write("hello")
      assert_equal ["hello", "::1", 12.5], [closing(io.to_io).readpartial(10), peer, deadline]
      assert io.to_io.close_on_exec?
      assert_nil @queue.next_connection
      refute @queue.over?
    end

    def test_connections_come_out_in_order
      ours = Array.new(3) { given }
      ours.each_with_index { |socket, index| socket.write(index.to_s) }
      assert_equal(%w[0 1 2],
                   Array.new(3) { closing(@queue.next_connection[0].to_io).readpartial(1) })
    end

    def test_a_full_queue_takes_no_more_and_keeps_its_connections
      _, theirs = UNIXSocket.pair.each { |socket| closing(socket) }
      connection = Connection.new(PlainClientSocket.new(theirs), 1, "a")
      count = 0
      count += 1 while @queue.give(connection)
      refute @queue.shut?
      assert_operator count, :>, 50
      taken = 0
      taken += 1 while @queue.next_connection&.first&.close.nil? && taken < count
      assert_equal count, taken
      assert_nil @queue.next_connection
    end

    def test_a_shut_queue_gives_its_connections_and_then_is_over
      given
      @giving.shutdown(:RDWR)
      refute @queue.give(Connection.new(PlainClientSocket.new($stdin), 1, "a"))
      assert @queue.shut?
      refute @queue.over?
      closing(@queue.next_connection[0].to_io)
      assert_nil @queue.next_connection
      assert @queue.over?
    end

    def test_without_a_free_descriptor_the_connection_stays_in_the_queue
      given
      without_room { assert_raises(Errno::EMFILE) { @queue.next_connection } }
      closing(@queue.next_connection[0].to_io)
    end
  end
end
