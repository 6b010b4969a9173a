"""Writes to the client of a connection that the application has taken over."""

import fcntl
import termios
from struct import Struct

# Seconds that a client may take nothing of what waits for it, and between two looks.
_TAKES_WITHIN = 60
_LOOK_INTERVAL = 10
# The same, after the last byte: that a client which has everything may keep its side open.
_CLOSES_WITHIN = 2
_LAST_LOOKS_INTERVAL = 0.5
_INT = Struct("i")


class ClientWriter:
    """Aborts the transport of a client that takes nothing for long: it has gone, or is an
    attack."""

    def __init__(self, loop, transport):
        self._loop = loop
        self._transport = transport
        # Bytes that were written; those that the client has taken, and since when it has taken no
        # more.
        self._written = 0
        self._taken = -1
        self._stuck_since = 0
        self._takes_within = None
        self._timer = None
        self._ended = False

    def write(self, data):
        self._transport.write(data)
        self._written += len(data)
        if self._timer is None and self._transport.get_write_buffer_size():
            self._look()

    def end(self, takes_within=None):
        """After the last byte. A close with unread bytes would take sent ones away from the client,
        so the owner goes on reading and dropping. `takes_within`: seconds in place of the usual
        ones. Without effect on a connection that is closed."""
        if self._transport.is_closing():
            return
        self._ended = True
        self._takes_within = takes_within
        self.stop()
        try:
            self._transport.write_eof()
            self._look()
        except OSError:
            # The client has gone.
            self._transport.abort()

    def stop(self):
        """The connection is closed."""
        if self._timer:
            self._timer.cancel()

    def abort(self):
        self._transport.abort()

    def unread(self):
        """Bytes that the client has not taken, those that the kernel has, too."""
        waiting = self._transport.get_write_buffer_size()
        if self._transport.is_closing():
            return waiting
        descriptor = self._transport.get_extra_info("socket").fileno()
        return waiting + _INT.unpack(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(_INT.size)))[0]

    def taken(self):
        """Bytes that the client has taken."""
        return self._written - self.unread()

    def _look(self):
        self._timer = None
        waiting = self._waiting()
        if not waiting and (not self._ended or self._transport.is_closing()):
            self._taken = -1
            return
        taken = self._written - waiting
        if taken != self._taken:
            self._taken = taken
            self._stuck_since = self._loop.time()
        elif self._loop.time() - self._stuck_since >= self._patience(waiting):
            self._transport.abort()
            return
        self._timer = self._loop.call_later(_LAST_LOOKS_INTERVAL if self._ended else _LOOK_INTERVAL, self._look)

    def _patience(self, waiting):
        if not waiting:
            return _CLOSES_WITHIN
        return _TAKES_WITHIN if self._takes_within is None else self._takes_within

    def _waiting(self):
        return self.unread() if self._ended else self._transport.get_write_buffer_size()
