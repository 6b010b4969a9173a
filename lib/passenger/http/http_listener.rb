# frozen_string_literal: true

require_relative "client_socket"

module PhusionPassenger
  # A listening socket as a source of connections for HttpAdmission, like the ConnectionQueue.
  class HttpListener
    # Errors of accept(2) that concern one connection only.
    NO_CLIENT = [Errno::ECONNABORTED, Errno::EINTR, Errno::EPROTO, Errno::ENETDOWN,
                 Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EPERM].freeze
    LOCAL = "127.0.0.1"
    private_constant :NO_CLIENT, :LOCAL

    attr_reader :to_io

    def initialize(socket)
      @to_io = socket
    end

    # The ClientSocket and the client's address; nil if there is none. Raises SystemCallError where
    # there is no room for a descriptor.
    def next_connection
      ClientSocket.accept(@to_io)&.tap { |connection| connection[1] ||= LOCAL }
    rescue *NO_CLIENT
      nil
    end

    def fileno
      @to_io.fileno
    end

    def close
      @to_io.close
    end
  end
end
