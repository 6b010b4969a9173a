"""Writes to the client of a connection that the application has taken over."""

# Seconds that a client may take nothing of what waits for it, and between two looks.
_TAKES_WITHIN = 60
_LOOK_INTERVAL = 10


class ClientWriter:
    """Aborts the transport of a client that takes nothing for long: it has gone, or is an attack."""

    def __init__(self, loop, transport):
        self._loop = loop
        self._transport = transport
        # Bytes that were written; those that the client has taken, and since when it has taken no more.
        self._written = 0
        self._taken = -1
        self._stuck_since = 0
        self._timer = None

    def write(self, data):
        self._transport.write(data)
        self._written += len(data)
        if self._timer is None and self._transport.get_write_buffer_size():
            self._look()

    def stop(self):
        """The connection is closed."""
        if self._timer:
            self._timer.cancel()

    def _look(self):
        self._timer = None
        waiting = self._transport.get_write_buffer_size()
        if not waiting:
            self._taken = -1
            return
        taken = self._written - waiting
        if taken != self._taken:
            self._taken = taken
            self._stuck_since = self._loop.time()
        elif self._loop.time() - self._stuck_since >= _TAKES_WITHIN:
            self._transport.abort()
            return
        self._timer = self._loop.call_later(_LOOK_INTERVAL, self._look)
