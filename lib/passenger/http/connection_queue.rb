# frozen_string_literal: true

require "io/wait"
require_relative "client_socket"

module PhusionPassenger
  # The line of connections that workers share: who has no time for one gives it away, and whoever is free takes it. Behind it is a pair of
  # sockets (SOCK_SEQPACKET) that all workers inherit from their monitor: so what nobody has taken yet outlives each of them. When all are to
  # end, the monitor shuts the giving end down, and what is left is taken.
  class ConnectionQueue
    # No room: in the line, or for descriptors that are on their way (see unix(7)).
    FULL = [Errno::ETOOMANYREFS, Errno::ENOBUFS, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE, Errno::EINTR].freeze
    private_constant :FULL

    attr_reader :to_io

    def initialize(taking, giving)
      @to_io = taking
      @giving = giving
      @shut = @over = false
    end

    # Nothing can be given any more. Nobody ever sends anything back: what comes there is the end.
    def shut?
      @shut ||= !@giving.wait_readable(0).nil?
    end

    # Besides, nothing is left to take.
    def over?
      @over
    end

    # True: it is in the line, and of no concern to the caller, who closes it. From any thread.
    def give(connection)
      return false if @shut

      connection.socket.give(@giving, connection.deadline, connection.peer)
    rescue *FULL
      false
    rescue Errno::EPIPE
      @shut = true
      false
    end

    # A ClientSocket, whose it is, and its deadline; nil if there is none. Raises SystemCallError where there is no room for a descriptor: then it stays.
    def next_connection
      return nil if @over

      connection = ClientSocket.take(@to_io)
      @shut = @over = true if connection == false
      connection || nil
    end

    def fileno
      @to_io.fileno
    end

    def close
      @to_io.close
      @giving.close
    end
  end
end
