# frozen_string_literal: true

require "socket"
require_relative "../wire/channel"
require_relative "../wire/layout"

module PhusionPassenger
  # Takes the child's answer to WANTS_CLIENT (section 3.5 of doc/PROTOCOLS.md).
  module TransferredSocket
    module_function

    # Waits until the child has sent what it still has for the client. Returns the client's own
    # socket, or the stream, by which the child passes the client's bytes on. Raises ClientGone if
    # the child has ended.
    def receive(stream)
      answer, _sender, _flags, *controls = stream.recvmsg(1, 0, nil, scm_rights: true)
      sockets = controls.select { |one| one.cmsg_is?(:SOCKET, :RIGHTS) }.flat_map(&:unix_rights)
      return stream if answer == Layout::TransferAnswer::RELAY && sockets.empty?

      stream.close
      if answer != Layout::TransferAnswer::CLIENT || sockets.size != 1
        sockets.each(&:close)
        raise ClientGone, "the client has closed its connection"
      end
      tcp_socket(sockets.first)
    rescue Errno::EINTR
      retry
    rescue Errno::ECONNRESET
      stream.close
      raise ClientGone, "the client has closed its connection"
    end

    # Applications expect the methods of IPSocket.
    def tcp_socket(socket)
      socket.autoclose = false
      TCPSocket.for_fd(socket.fileno)
    end
    private_class_method :tcp_socket
  end
end
