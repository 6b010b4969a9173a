"""The numbers of doc/PROTOCOLS.md, as test/layouts has recorded them for their version."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import frames, handover, layout  # noqa: E402

NAMES = {
    "MESSAGE_LIMIT": "MAX_MESSAGE", "REQUEST_HEAD_LIMIT": "MAX_ENVIRONMENT", "BODY_FOLLOWS": "BODY_FOLLOWS",
    "STREAM": "STREAM", "HEAD_REQUEST": "HEAD_REQUEST", "BODY_IN_FILE": "BODY_IN_FILE",
    "TRANSFERABLE": "TRANSFERABLE", "STREAM_TRANSFERABLE": "STREAM_TRANSFERABLE", "WANTS_CLIENT": "WANTS_CLIENT",
    "TAKES_TRAILERS": "TAKES_TRAILERS", "TRAILERS": "TRAILERS",
    "TAKES_FILE": "TAKES_FILE", "ANSWER_FILE": "ANSWER_FILE",
    "REPLY_HEAD_LIMIT": "MAX_RESPONSE_HEAD", "STALE_LIMIT": "MAX_DISCARDED", "RESPONSE": "RESPONSE", "DATA": "DATA",
    "INTERIM": "INTERIM", "SKIPPED": "SKIPPED", "ABORTED": "ABORTED", "HIJACKED": "HIJACKED", "BODY": "BODY",
    "BODY_FILE": "BODY_FILE", "LAST": "LAST", "CLAIMS_HEADER_LENGTH": "MemoryHeader", "CLAIM_LENGTH": "ClaimCell",
    "CLAIM_ANSWERED_OFFSET": "ClaimCell.2", "CLAIMS": "Claims.CELLS",
    "WITHDRAWALS_OFFSET": "SenderMemory.MARKS", "WITHDRAWAL_SLOTS": "SenderMemory.SLOTS",
}
SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}


class LayoutTest(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(HERE, "../layouts/%d" % layout.VERSION), encoding="ascii") as file:
            self.recorded = dict(line.rstrip("\n").split(" ", 1) for line in file)

    def number(self, name):
        return int(self.recorded[name].split()[0])

    def test_numbers_are_as_recorded(self):
        ours = {name: value for name, value in vars(layout).items() if isinstance(value, int) and name[0] != "_"}
        derived = {"VERSION": 15, "PAYLOAD_LIMIT": 65576, "QUEUED_LIMIT": 0xFFFFFFFF}
        self.assertEqual({**{name: self.number(other) for name, other in NAMES.items()}, **derived}, ours)

    def test_headers_have_the_recorded_members(self):
        for form, struct in ((layout.REQUEST, "RequestHeader"), (layout.REPLY, "MessageHeader"),
                             (layout.FILE_RANGE, "FileRange")):
            members = [[int(word) for word in text.split()] for name, text in self.recorded.items()
                       if name.startswith(struct + ".")]
            self.assertEqual([size for _, size in members], [SIZES[letter] for letter in form.format[1:]])
            self.assertEqual(self.number(struct), form.size)

    def test_types_of_frames_are_as_recorded(self):
        with open(os.path.join(HERE, "../layouts/frames-1"), encoding="ascii") as file:
            recorded = {name: int(number) for name, number in map(str.split, file)}
        ours = {name: value for name, value in vars(frames).items()
                if isinstance(value, int) and not name.startswith(("_", "POLL"))}
        self.assertEqual({**recorded, **ours}, recorded)

    def test_the_order_of_the_fields_of_serve_is_as_recorded(self):
        with open(os.path.join(HERE, "../layouts/serve-1"), encoding="ascii") as file:
            self.assertEqual(file.read().split(), list(handover.Serve._fields))
        fields = ["1", "2", "app", "3", "4", "5", "6", "1", "0"]
        self.assertEqual((1, 2, "app", 3, 4, 5, 6, True, False), handover.serve_of(frames.Frame(frames.SERVE, fields)))
        self.assertRaises(frames.ProtocolError, handover.serve_of, frames.Frame(frames.SERVE, fields[:-1]))

    def test_magic_numbers_are_as_recorded(self):
        for magic, name in ((layout.CLAIMS_MAGIC, "Claims.MAGIC"), (layout.WITHDRAWALS_MAGIC, "SenderMemory.MAGIC")):
            self.assertEqual(self.number(name), int.from_bytes(magic, "little"))


if __name__ == "__main__":
    unittest.main()
