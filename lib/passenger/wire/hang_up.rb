# frozen_string_literal: true

require "socket"
require "fiddle" unless IO.const_defined?(:PRIORITY)

module PhusionPassenger
  # Whether both directions of a socket have ended. poll(2) reports that whatever it is asked for,
  # here urgent data, which never comes. Unread messages do not hide it.
  module HangUp
    if IO.const_defined?(:PRIORITY)
      def self.seen?(socket)
        !socket.to_io.wait(IO::PRIORITY, 0).nil?
      end
    else # Ruby before 3.0
      POLL = Fiddle::Function.new(Fiddle.dlopen(nil)["poll"],
                                  [Fiddle::TYPE_VOIDP, Fiddle::TYPE_LONG, Fiddle::TYPE_INT],
                                  Fiddle::TYPE_INT)

      def self.seen?(socket)
        POLL.call([socket.to_io.fileno, 0, 0].pack("iss"), 1, 0).positive?
      end
    end
  end
end
