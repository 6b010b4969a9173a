# frozen_string_literal: true

require "socket"
require_relative "../base/log"
require_relative "../wire/channel"
require_relative "../wire/layout"

module PhusionPassenger
  # Takes the child's answer to WANTS_CLIENT (section 3.5 of doc/PROTOCOLS.md).
  module TransferredSocket
    module_function

    # Waits for the answer. Returns the client's own socket, or the stream, by which the child
    # passes the client's bytes on. Raises ClientGone if the child has ended, or has sent anything
    # else.
    def receive(stream)
      answer, _sender, _flags, *controls = receive_message(stream)
      ios = controls.select { |one| one.cmsg_is?(:SOCKET, :RIGHTS) }.flat_map(&:unix_rights)
      return stream if answer == Layout::TransferAnswer::RELAY && ios.empty?

      stream.close
      if answer == Layout::TransferAnswer::CLIENT
        return tcp_socket(ios.first) if ios.size == 1 && client?(ios.first)

        Log.complaint("connection.not_received",
                      remedy: "a higher limit of open files, or PassengerTransferConnections off")
      end
      ios.each(&:close)
      raise ClientGone, "the client has closed its connection"
    end

    def receive_message(stream)
      stream.recvmsg(1, 0, nil, scm_rights: true)
    rescue Errno::EINTR
      retry
    rescue Errno::ECONNRESET
      [nil]
    end

    # The child could send any file.
    def client?(io)
      io.is_a?(BasicSocket) && io.local_address.ip? &&
        io.getsockopt(:SOCKET, :TYPE).int == Socket::SOCK_STREAM
    end

    # Applications expect the methods of IPSocket.
    def tcp_socket(socket)
      TCPSocket.for_fd(socket.fileno).tap { socket.autoclose = false }
    end
    private_class_method :receive_message, :client?, :tcp_socket
  end
end
