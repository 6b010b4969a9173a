# frozen_string_literal: true

require "io/wait"
require "socket"
require_relative "../base/native"

module PhusionPassenger
  # A client's connection, which never blocks. Of one owner, who closes it. In C (ext/ruby/client_socket.c) it has no IO of Ruby's until
  # one is asked for; this is the same where that was not built.
  class PlainClientSocket
    # What is read at once.
    PIECE = 16_384
    # What a connection that has ended raises.
    GONE = [Errno::EPIPE, Errno::ECONNRESET, Errno::ENOTCONN, Errno::ETIMEDOUT, Errno::EHOSTUNREACH, Errno::ENETUNREACH, IOError].freeze
    # Of a message in the line: until when something has to come over the connection, and whose it is.
    FORMAT = "da*"
    MESSAGE_LIMIT = 256
    private_constant :FORMAT, :MESSAGE_LIMIT

    class << self
      # The next of a socket that listens, and its address, nil where that is no internet address; nil: there is none.
      def accept(listener)
        io, address = listener.accept_nonblock(exception: false)
        io == :wait_readable ? nil : [new(io), address.ip? ? address.ip_address : nil]
      end

      # The next that another process gave, whose it is, and its deadline; nil: there is none; false: there will be none. Raises
      # SystemCallError where there is no room for a descriptor: then it stays there.
      def take(line)
        # One that finds no place when it is received is lost.
        line.dup.close
        message, _sender, _flags, rights = line.recvmsg_nonblock(MESSAGE_LIMIT, 0, nil, scm_rights: true, exception: false)
        return nil if message == :wait_readable
        return false if message.nil? || message.empty?

        deadline, peer = message.unpack(FORMAT)
        # Another thread may have taken the place meanwhile.
        [new(rights&.unix_rights&.first || raise(Errno::EMFILE)), peer, deadline]
      end
    end

    attr_reader :to_io

    def initialize(io)
      @to_io = io
    end

    # What has come; nil: nothing yet; false: it has ended, there or here.
    def receive
      bytes = @to_io.read_nonblock(PIECE, exception: false)
      bytes == :wait_readable ? nil : bytes || false
    rescue *GONE
      false
    end

    # More has come, and was not received.
    def more?
      bytes = @to_io.recv_nonblock(1, Socket::MSG_PEEK, exception: false)
      bytes != :wait_readable && !bytes.nil? && !bytes.empty?
    rescue *GONE
      false
    end

    # How many of the bytes were sent; nil: none, there is no room; false: it has ended, there or here.
    def transmit(bytes)
      sent = @to_io.write_nonblock(bytes, exception: false)
      sent == :wait_writable ? nil : sent
    rescue *GONE
      false
    end

    # Into the line that `take` takes from. False: that is full. It stays open here.
    def give(line, deadline, peer)
      rights = Socket::AncillaryData.unix_rights(@to_io)
      line.sendmsg_nonblock([deadline, peer].pack(FORMAT), Socket::MSG_NOSIGNAL, nil, rights, exception: false) != :wait_writable
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
