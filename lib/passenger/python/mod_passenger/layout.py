"""Layouts of sections 1 to 3 of doc/PROTOCOLS.md. A change of one changes VERSION and Layouts.h."""

from struct import Struct

VERSION = 15

# 64 KiB, a usual piece of a body, and a header.
MESSAGE_LIMIT = 65600

# Request messages: version, flags, resends, head length, channel, ticket, sent at.
REQUEST = Struct("<BBHIQQQ")
REQUEST_HEAD_LIMIT = 1024 * 1024

BODY_FOLLOWS = 1
STREAM = 2
HEAD_REQUEST = 4
BODY_IN_FILE = 8
TRANSFERABLE = 16
STREAM_TRANSFERABLE = 32
TAKES_TRAILERS = 64
TAKES_FILE = 128

# Messages on a reply channel: ticket, type, flags, status, head length, queued, sticky id.
REPLY = Struct("<QBBHIII")
PAYLOAD_LIMIT = MESSAGE_LIMIT - REPLY.size
REPLY_HEAD_LIMIT = 128 * 1024
STALE_LIMIT = 1024 * 1024
QUEUED_LIMIT = 0xFFFFFFFF

RESPONSE = 1
DATA = 2
INTERIM = 3
SKIPPED = 4
ABORTED = 6
HIJACKED = 7
TRAILERS = 8
ANSWER_FILE = 9
BODY = 32
BODY_FILE = 33

# Behind the header of an ANSWER_FILE: offset, length.
FILE_RANGE = Struct("<QQ")

LAST = 1
WANTS_CLIENT = 2

# The child's first byte on the stream of a HIJACKED with WANTS_CLIENT.
TRANSFER_CLIENT = b"C"
TRANSFER_RELAY = b"R"

# The memory files.
CLAIMS_MAGIC = b"PCLM"
CLAIMS_HEADER_LENGTH = 64
CLAIM_LENGTH = 32
# Behind the claim itself: how many requests were answered, and when the last one was.
CLAIM_ANSWERED_OFFSET = 16
CLAIMS = 65536

WITHDRAWALS_MAGIC = b"PMRK"
WITHDRAWALS_OFFSET = 16512
WITHDRAWAL_SLOTS = 65536
