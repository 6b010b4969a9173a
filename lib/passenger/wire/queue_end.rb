# frozen_string_literal: true

require "io/wait"
require "socket"

module PhusionPassenger
  # Tells the end of a queue from a message without any bytes, which reads the same.
  module QueueEnd
    # Of a queue of which no bytes were just read. Nothing is ever sent the other way (its receiving end is shut for writing), so that
    # its end is a hang-up, and poll() tells a hang-up whatever it is asked for: here for urgent data, of which there is never any. Behind
    # a hang-up nothing new comes; what was sent before is still to be read.
    def self.reached?(queue)
      return false if queue.wait(IO::PRIORITY, 0).nil?

      seen = queue.recv_nonblock(1, Socket::MSG_PEEK, exception: false)
      seen.nil? || seen == ""
    rescue IOError # closed meanwhile, as reading again will tell
      false
    end
  end
end
