"""A cell of the Group's claims, and the look at the withdrawal marks (doc/PROTOCOLS.md, section
2)."""

import os
from struct import Struct
from time import monotonic_ns

from . import layout

_CLAIM = Struct("<QQ")
_CELL = Struct("<QQQQ")
_ANSWERED = Struct("<Q")
_MARK = Struct("<II")
_NONE = bytes(_CLAIM.size)


class Claim:
    """Claims requests in one cell. Each handler thread owns one and calls it alone.

    The claim is in its cell before the mark is read: a child writes the mark first and reads the
    claims then, so one of the two sees the other. test/claims/cases has the cases that all
    implementations share; that in C is ext/claims/claim_memory.h."""

    def __init__(self, claims, withdrawals, cell):
        """The descriptors stay the caller's."""
        self._claims = claims
        self._withdrawals = withdrawals
        self._offset = layout.CLAIMS_HEADER_LENGTH + layout.CLAIM_LENGTH * cell
        self._closed = False

    def take(self, channel, ticket):
        """Claims the request, then looks at its mark. False: the request is withdrawn and must not
        run.

        In both cases the claim stays until clear() or complete()."""
        if self._closed:
            return False
        os.pwrite(self._claims, _CLAIM.pack(channel, ticket), self._offset)
        slot = channel % layout.WITHDRAWAL_SLOTS
        mark = os.pread(self._withdrawals, _MARK.size, layout.WITHDRAWALS_OFFSET + _MARK.size * slot)
        withdrawn, serial = _MARK.unpack(mark)
        # A mark with another serial belongs to a later channel of the slot.
        return serial == channel >> 16 & 0xFFFFFFFF and withdrawn < ticket

    def clear(self):
        """After SKIPPED: the request did not run."""
        if not self._closed:
            os.pwrite(self._claims, _NONE, self._offset)

    def complete(self):
        """After the last message of the answer. Counts the request."""
        if not self._closed:
            word = os.pread(self._claims, _ANSWERED.size, self._offset + layout.CLAIM_ANSWERED_OFFSET)
            answered = (_ANSWERED.unpack(word)[0] + 1) & 0xFFFFFFFFFFFFFFFF
            os.pwrite(self._claims, _CELL.pack(0, 0, answered, monotonic_ns()), self._offset)

    def close(self):
        """Called in a process that the application forked: the cell stays the instance's."""
        self._closed = True
