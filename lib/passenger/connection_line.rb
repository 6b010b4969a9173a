# frozen_string_literal: true

require "io/wait"
require "socket"

module PhusionPassenger
  # The line of connections that workers share: who has no time for one gives it away, and whoever is free takes it. Behind it is a pair of
  # sockets (SOCK_SEQPACKET) that all workers inherit from their monitor: so what nobody has taken yet outlives each of them. When all are to
  # end, the monitor shuts the giving end down, and what is left is taken.
  class ConnectionLine
    # Until when something has to come over it, and whose it is.
    FORMAT = "Ea*"
    MESSAGE_LIMIT = 256
    # No room: in the line, or for descriptors that are on their way (see unix(7)).
    FULL = [Errno::ETOOMANYREFS, Errno::ENOBUFS, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE, Errno::EINTR].freeze
    private_constant :FORMAT, :MESSAGE_LIMIT, :FULL

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

      rights = Socket::AncillaryData.unix_rights(connection.to_io)
      sent = @giving.sendmsg_nonblock([connection.deadline, connection.peer].pack(FORMAT), Socket::MSG_NOSIGNAL, nil, rights, exception: false)
      sent != :wait_writable
    rescue *FULL
      false
    rescue Errno::EPIPE
      @shut = true
      false
    end

    # A socket, whose it is, and its deadline; nil if there is none. Raises SystemCallError where there is no room for a descriptor: then it stays.
    def next_connection
      return nil if @over

      # One that finds no place when it is received is lost.
      @to_io.dup.close
      message, _sender, _flags, rights = @to_io.recvmsg_nonblock(MESSAGE_LIMIT, 0, nil, scm_rights: true, exception: false)
      return nil if message == :wait_readable
      return end_line if message.nil? || message.empty?

      deadline, peer = message.unpack(FORMAT)
      # Another thread may have taken the place meanwhile.
      [rights&.unix_rights&.first || raise(Errno::EMFILE), peer, deadline]
    end

    def close
      @to_io.close
      @giving.close
    end

    private

    def end_line
      @shut = @over = true
      nil
    end
  end
end
