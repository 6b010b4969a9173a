"""What a pool process hands over with SERVE: the queue of requests, and the memory in which they
are claimed."""

import os

from . import layout, native
from .claim import Claim
from .frames import ProtocolError
from .queue_pair import QueuePair


class Handover:
    """Each pool process has its own. A handler that works at a request of a former handover goes on
    with that one until the answer is complete."""

    def __init__(self, frame):
        """`frame`: a SERVE. Raises ProtocolError if it is malformed."""
        self.cell = frame.number(0)
        self.threads = frame.number(1)
        # This instance's id for sticky sessions, or 0.
        self.sticky_id = frame.number(4, 0)
        # No request is taken before the agent says so.
        self.paused = len(frame.fields) > 7 and frame.fields[7] == b"1"
        common, self._claims, self._withdrawals, *own = frame.take_descriptors(4 if self.sticky_id else 3)
        self.queue = QueuePair(common, *own)
        if not (0 < self.threads <= layout.CLAIMS - self.cell):
            self.close()
            raise ProtocolError("the agent's SERVE names %d threads from cell %d on" % (self.threads, self.cell))

    def claim(self, index):
        """The claim of the thread with this number."""
        kind = native.module.Claim if native.module else Claim
        return kind(self._claims, self._withdrawals, self.cell + index)

    def close(self):
        self.queue.close()
        for one in (self._claims, self._withdrawals):
            os.close(one)
