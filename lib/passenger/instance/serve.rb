# frozen_string_literal: true

require_relative "../wire/frame"

module PhusionPassenger
  # What a SERVE says, in the order of its fields.
  Serve = Struct.new(:cell, :threads, :app, :max_requests, :sticky_id, :refork_after,
                     :heartbeat_interval, :paused, :warms_up) do
    # Raises ProtocolError if the frame is malformed.
    def self.from(frame)
      number = ->(index) { frame.number(index) }
      app = frame.text(2).dup.force_encoding(Encoding::UTF_8)
      new(number[0], number[1], app, *(3..6).map(&number), number[7] == 1, number[8] == 1)
    end
  end
end
