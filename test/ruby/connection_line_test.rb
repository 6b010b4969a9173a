# frozen_string_literal: true

require_relative "test_helper"
require "passenger/http/connection_queue"

module PhusionPassenger
  # Connections on their way from one worker to another.
  class ConnectionLineTest < TestCase
    Connection = Struct.new(:socket, :deadline, :peer)

    def setup
      super
      taking, @giving = UNIXSocket.pair(:SEQPACKET).each { |socket| closing(socket) }
      @line = ConnectionQueue.new(taking, @giving)
    end

    def given
      ours, theirs = UNIXSocket.pair.each { |socket| closing(socket) }
      assert @line.give(Connection.new(PlainClientSocket.new(theirs), 12.5, "::1"))
      theirs.close
      ours
    end

    def test_who_takes_one_has_its_socket_its_peer_and_its_deadline
      ours = given
      io, peer, deadline = @line.next_connection
      ours.write("hello")
      assert_equal ["hello", "::1", 12.5], [closing(io.to_io).readpartial(10), peer, deadline]
      assert io.to_io.close_on_exec?
      assert_nil @line.next_connection
      refute @line.over?
    end

    def test_the_first_one_is_the_first
      ours = Array.new(3) { given }
      ours.each_with_index { |socket, index| socket.write(index.to_s) }
      assert_equal(%w[0 1 2], Array.new(3) { closing(@line.next_connection[0].to_io).readpartial(1) })
    end

    def test_a_full_line_takes_no_more_and_keeps_what_it_has
      _, theirs = UNIXSocket.pair.each { |socket| closing(socket) }
      connection = Connection.new(PlainClientSocket.new(theirs), 1, "a")
      count = 0
      count += 1 while @line.give(connection)
      refute @line.shut?
      assert_operator count, :>, 50
      taken = 0
      taken += 1 while @line.next_connection&.first&.close.nil? && taken < count
      assert_equal count, taken
      assert_nil @line.next_connection
    end

    def test_a_line_that_is_shut_gives_what_it_has_and_then_is_over
      given
      @giving.shutdown(:RDWR)
      refute @line.give(Connection.new(PlainClientSocket.new($stdin), 1, "a"))
      assert @line.shut?
      refute @line.over?
      closing(@line.next_connection[0].to_io)
      assert_nil @line.next_connection
      assert @line.over?
    end

    def test_where_there_is_no_room_for_a_descriptor_the_connection_stays
      given
      without_room { assert_raises(Errno::EMFILE) { @line.next_connection } }
      closing(@line.next_connection[0].to_io)
    end
  end
end
