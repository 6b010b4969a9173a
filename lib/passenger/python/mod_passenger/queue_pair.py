"""The two queues that an instance reads as one."""

import os
import socket
from select import POLLIN, poll

from . import layout, native, threads

_READ_LIMIT = layout.MESSAGE_LIMIT + 1
# Messages of the own queue, before the common one has its turn.
_MOST_IN_A_ROW = 4


class QueuePair:
    """The Group's queue and the instance's own one (PassengerStickySessions), or that for requests
    of high priority (PassengerPriorityQueue), read as one. Messages of the own queue come first,
    but after _MOST_IN_A_ROW of them the common queue has its turn.

    Thread-safe. Without an own queue native code sleeps in a single read, from which a signal wakes
    it; the kernel wakes one reader for each message. Otherwise poll() wakes all idle threads for
    one message."""

    def __init__(self, common, own=None):
        self._common = threads.socket_of(common)
        self._descriptor = common
        self._own = threads.socket_of(own) if own is not None else None
        self._ended_own = None
        self._in_a_row = 0
        self._reads_natively = native.module is not None and own is None
        self._interrupted, self._interrupt = os.pipe()
        os.set_blocking(self._interrupted, False)
        os.set_blocking(self._interrupt, False)

    def receive(self):
        """The next message. Empty: the Group's queue has ended, or an empty message came. None:
        interrupted, by interrupt() or by a signal."""
        if self._reads_natively:
            return native.module.receive(self._descriptor)
        while True:
            message = self.take()
            if message is not None:
                return message
            if not self._wait():
                return None

    def descriptors(self):
        """The descriptors that are readable when take() finds a message."""
        return [one.fileno() for one in (self._own, self._common) if one is not None]

    def take(self):
        """As receive(), but never waits. None: there is no message."""
        turn = self._in_a_row >= _MOST_IN_A_ROW
        message = self._take_common() if turn else None
        if not message:
            own = self._take_own()
            if own:
                self._in_a_row += 1
                return own
        if message is None and not turn:
            message = self._take_common()
        return message

    def ended(self):
        """Tells the end of the Group's queue from an empty message, after a read of no bytes.

        The receiving end is shut for writing, so the end of the queue is a hang-up. After a hang-up
        no new message comes, but sent ones may still be unread."""
        return _has_ended(self._common)

    def interrupt(self):
        """Interrupts receive() until go_on()."""
        try:
            os.write(self._interrupt, b".")
        except OSError:
            pass

    def go_on(self):
        try:
            os.read(self._interrupted, 1000)
        except OSError:
            pass

    def close(self):
        """No thread uses the queue any more, or it belongs to another process."""
        for one in (self._own, self._common):
            if one is not None:
                one.close()
        for one in (self._interrupted, self._interrupt):
            os.close(one)

    def _take_common(self):
        message = self._take(self._common)
        if message:
            self._in_a_row = 0
        return message

    def _take_own(self):
        own = self._own
        if own is None:
            return None
        message = self._take(own)
        if message:
            return message
        if message is not None and _has_ended(own):
            # The agent sends no more requests there. That does not end the instance. An event loop
            # may still watch it.
            self._ended_own, self._own = own, None
        return None

    @staticmethod
    def _take(one):
        try:
            return one.recv(_READ_LIMIT, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def _wait(self):
        news = poll()
        news.register(self._interrupted, POLLIN)
        for one in (self._own, self._common):
            if one is not None:
                news.register(one, POLLIN)
        return all(descriptor != self._interrupted for descriptor, _ in news.poll())


def _has_ended(one):
    """poll() reports a hang-up whatever it is asked for."""
    news = poll()
    news.register(one, 0)
    if not news.poll(0):
        return False
    try:
        return not one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
