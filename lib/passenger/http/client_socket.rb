# frozen_string_literal: true

require "socket"
require_relative "../base/native"

module PhusionPassenger
  # A client's socket, which never blocks. It has one owner, who closes it. The C class
  # (ext/ruby/client_socket.c) has no Ruby IO until a caller needs one. This class does the same
  # where that was not built.
  class PlainClientSocket
    # The number of bytes of one read.
    PIECE = 16_384
    # The errors of a connection that has ended.
    GONE = [Errno::EPIPE, Errno::ECONNRESET, Errno::ENOTCONN, Errno::ETIMEDOUT,
            Errno::EHOSTUNREACH, Errno::ENETUNREACH, IOError].freeze
    # A message in the queue: the connection's deadline and the client's address.
    FORMAT = "da*"
    MESSAGE_LIMIT = 256
    private_constant :FORMAT, :MESSAGE_LIMIT

    class << self
      # Accepts a connection. Returns the socket and the client's address, which is nil if it is no
      # internet address. Nil: there is no connection.
      def accept(listener)
        io, address = listener.accept_nonblock(exception: false)
        return nil if io == :wait_readable

        address = address.ipv6_to_ipv4 if address.ipv6_v4mapped?
        [new(io), address.ip? ? address.ip_address : nil]
      end

      # Takes a connection that another process gave: the socket, the client's address and the
      # deadline. Nil: there is none. False: there will be none. Raises SystemCallError where there
      # is no room for a descriptor: then the connection stays in the queue.
      def take(queue)
        # A descriptor that finds no room when it is received would be lost.
        queue.dup.close
        message, _sender, _flags, rights =
          queue.recvmsg_nonblock(MESSAGE_LIMIT, 0, nil, scm_rights: true, exception: false)
        return nil if message == :wait_readable
        return false if message.nil? || message.empty?

        deadline, peer = message.unpack(FORMAT)
        # Another thread may have taken the room meanwhile.
        [new(rights&.unix_rights&.first || raise(Errno::EMFILE)), peer, deadline]
      end
    end

    attr_reader :to_io

    def initialize(io)
      @to_io = io
    end

    # The bytes that have come. Nil: none yet. False: the connection has ended, on either side.
    def receive
      bytes = @to_io.read_nonblock(PIECE, exception: false)
      bytes == :wait_readable ? nil : bytes || false
    rescue *GONE
      false
    end

    # Whether bytes have come that were not received.
    def more?
      bytes = @to_io.recv_nonblock(1, Socket::MSG_PEEK, exception: false)
      bytes != :wait_readable && !bytes.nil? && !bytes.empty?
    rescue *GONE
      false
    end

    # How many bytes were sent. Nil: none, there is no room. False: the connection has ended, on
    # either side.
    def transmit(bytes)
      sent = @to_io.write_nonblock(bytes, exception: false)
      sent == :wait_writable ? nil : sent
    rescue *GONE
      false
    end

    # Puts the connection into the queue that `take` reads. False: the queue is full. The socket
    # stays open here.
    def give(queue, deadline, peer)
      rights = Socket::AncillaryData.unix_rights(@to_io)
      message = [deadline, peer].pack(FORMAT)
      sent = queue.sendmsg_nonblock(message, Socket::MSG_NOSIGNAL, nil, rights, exception: false)
      sent != :wait_writable
    end

    def fileno
      @to_io.fileno
    end

    def close
      @to_io.close
    end
  end

  ClientSocket = Native::LOADED ? Native::ClientSocket : PlainClientSocket
end
