# frozen_string_literal: true

module PhusionPassenger
  # Layouts of sections 1 to 3 of doc/PROTOCOLS.md. A change of one changes VERSION and Layouts.h.
  module Layout
    VERSION = 15

    # 64 KiB, a usual piece of a body, and a header.
    MESSAGE_LIMIT = 65_600

    # Request messages.
    module Request
      HEADER_LENGTH = 32
      HEADER = "CCvVQ<Q<Q<"
      HEAD_LIMIT = 1024 * 1024

      CHANNEL_OFFSET = 8
      TICKET_OFFSET = 16

      BODY_FOLLOWS = 1
      STREAM = 2
      HEAD_REQUEST = 4
      BODY_IN_FILE = 8
      TRANSFERABLE = 16
      STREAM_TRANSFERABLE = 32
      TAKES_FILE = 128
    end

    # Messages on a reply channel.
    module Reply
      HEADER_LENGTH = 24
      HEADER = "Q<CCvVVV"
      PAYLOAD_LIMIT = MESSAGE_LIMIT - HEADER_LENGTH
      HEAD_LIMIT = 128 * 1024
      STALE_LIMIT = 1024 * 1024
      QUEUED_LIMIT = 0xFFFF_FFFF

      RESPONSE = 1
      DATA = 2
      INTERIM = 3
      SKIPPED = 4
      ACCEPTED = 5
      ABORTED = 6
      HIJACKED = 7
      ANSWER_FILE = 9
      BODY = 32
      BODY_FILE = 33

      # Behind the header of an ANSWER_FILE: offset, length.
      FILE_RANGE = "Q<Q<"

      LAST = 1
      WANTS_CLIENT = 2
    end

    # The child's first byte on the stream of a HIJACKED with WANTS_CLIENT.
    module TransferAnswer
      CLIENT = "C"
      RELAY = "R"
    end

    # The memory files.
    module Claims
      MAGIC = "PCLM"
      HEADER_LENGTH = 64
      CELL_LENGTH = 32
      # Behind the claim itself.
      ANSWERED_OFFSET = 16
      CELLS = 65_536
    end

    module Withdrawals
      MAGIC = "PMRK"
      TICKETS_OFFSET = 16_512
      SLOTS = 65_536
    end
  end
end
