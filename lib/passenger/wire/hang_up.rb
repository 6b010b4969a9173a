# frozen_string_literal: true

require "socket"

module PhusionPassenger
  # Whether both directions of a socket have ended.
  module HangUp
    if IO.const_defined?(:PRIORITY)
      # poll(2) reports a hang-up whatever it is asked for, here urgent data, which never comes.
      # Unread messages do not hide it.
      def self.seen?(socket)
        !socket.to_io.wait(IO::PRIORITY, 0).nil?
      end
    else
      # Ruby before 3.0 has no such wait. The end of the other side's writing passes for a hang-up
      # there, and an unread message hides both.
      def self.seen?(socket)
        bytes = socket.to_io.recv_nonblock(1, Socket::MSG_PEEK, exception: false)
        bytes.nil? || bytes.empty?
      end
    end
  end
end
