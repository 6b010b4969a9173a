# frozen_string_literal: true

require "socket"

module PhusionPassenger
  # Tells the end of a queue from a message without bytes: a read of both returns no bytes.
  module QueueEnd
    # Called after a read of no bytes. The receiving end is shut for writing, so the end of the
    # queue is a hang-up. poll() reports a hang-up whatever it is asked for, here urgent data, which
    # never comes. After a hang-up no new message comes, but sent ones may still be unread.
    def self.reached?(queue)
      return false if queue.wait(IO::PRIORITY, 0).nil?

      seen = queue.recv_nonblock(1, Socket::MSG_PEEK, exception: false)
      seen.nil? || seen == ""
    rescue IOError # closed meanwhile, as reading again will tell
      false
    end
  end
end
