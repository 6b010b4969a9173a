# frozen_string_literal: true

require_relative "client_socket"

module PhusionPassenger
  # The queue of connections that workers share. A worker without time for a connection gives it
  # away; a free worker takes it. The queue is a pair of sockets (SOCK_SEQPACKET) that all workers
  # inherit from their monitor. So a connection in the queue outlives each worker. When all workers
  # are to end, the monitor shuts the giving end down, and the workers take the rest.
  class ConnectionQueue
    # There is no room in the queue, or for descriptors in transit (see unix(7)).
    FULL = [Errno::ETOOMANYREFS, Errno::ENOBUFS, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE,
            Errno::EINTR].freeze
    private_constant :FULL

    attr_reader :to_io

    def initialize(taking, giving)
      @to_io = taking
      @giving = giving
      @shut = @over = false
    end

    # Whether nothing can be given any more. No data comes at the giving end, so it is readable only
    # at the end.
    def shut?
      @shut ||= !@giving.wait_readable(0).nil?
    end

    # Whether, besides, nothing is left to take.
    def over?
      @over
    end

    # True: the connection is in the queue, and the caller closes its socket. On any thread.
    def give(connection)
      return false if @shut

      connection.socket.give(@giving, connection.deadline, connection.peer)
    rescue *FULL
      false
    rescue Errno::EPIPE
      @shut = true
      false
    end

    # The ClientSocket, the client's address and the deadline; nil if there is none. Raises
    # SystemCallError where there is no room for a descriptor: then the connection stays.
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
