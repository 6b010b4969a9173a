"""What a pool process hands over with SERVE: the queue of requests, and the memory in which they
are claimed."""

import os
from collections import namedtuple

from . import layout, native
from .claim import Claim
from .frames import ProtocolError
from .queue_pair import QueuePair


# The fields of SERVE, in their order.
Serve = namedtuple(
    "Serve", "cell threads app max_requests sticky_id refork_after heartbeat_interval paused warms_up")


def serve_of(frame):
    """What a SERVE says. Raises ProtocolError if it is malformed."""
    number = frame.number
    return Serve(number(0), number(1), frame.text(2), number(3), number(4), number(5), number(6), number(7) == 1,
                 number(8) == 1)


class Handover:
    """Each pool process has its own. A handler that works at a request of a former handover goes on
    with that one until the answer is complete."""

    def __init__(self, frame):
        """`frame`: a SERVE. Raises ProtocolError if it is malformed."""
        self.serve = serve = serve_of(frame)
        common, self._claims, self._withdrawals, *own = frame.take_descriptors(4 if serve.sticky_id else 3)
        self.queue = QueuePair(common, *own)
        if not (0 < serve.threads <= layout.CLAIMS - serve.cell):
            self.close()
            raise ProtocolError("the agent's SERVE names %d threads from cell %d on" % (serve.threads, serve.cell))

    def claim(self, index):
        """The claim of the thread with this number."""
        kind = native.module.Claim if native.module else Claim
        return kind(self._claims, self._withdrawals, self.serve.cell + index)

    def close(self):
        self.queue.close()
        for one in (self._claims, self._withdrawals):
            os.close(one)
