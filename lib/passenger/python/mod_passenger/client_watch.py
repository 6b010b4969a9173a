"""Asks the silent client of a WebSocket whether it is there."""

# Seconds without a byte from the client until it is asked, and then until it is cut. As uvicorn's.
_ASKED_AFTER = 20
_ANSWERS_WITHIN = 20
# Seconds in which the event loop reads what has come while it stood still.
_DOUBTED_FOR = 1


class ClientWatch:
    """Aborts the transport of a client that has vanished: the network need not tell that."""

    def __init__(self, loop, writer, ask):
        """`writer`: the ClientWriter. `ask` sends the client what it must answer."""
        self._loop = loop
        self._writer = writer
        self._ask = ask
        self._asked = self._doubted = False
        self._heard_at = 0
        # The bytes that the client had taken at the last look.
        self._taken = 0
        self._timer = None

    def heard(self):
        """Bytes have come. The first call begins the watch, or goes on after stop()."""
        self._heard_at = self._loop.time()
        if self._asked:
            self._asked = self._doubted = False
            self.stop()
        if self._timer is None:
            self._look_in(_ASKED_AFTER)

    def stop(self):
        """No one reads the bytes of the client from now on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_in(self, seconds):
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self):
        self._timer = None
        left = self._heard_at + _ASKED_AFTER - self._loop.time()
        if left > 0:
            self._look_in(left)
            return
        if self._asked and not self._takes():
            if self._doubted:
                self._writer.abort()
            else:
                self._doubted = True
                self._look_in(_DOUBTED_FOR)
            return
        self._doubted = False
        if not self._asked:
            self._asked = True
            self._ask()
        self._taken = self._writer.taken()
        self._look_in(_ANSWERS_WITHIN)

    def _takes(self):
        """The client is slow, and what it must answer waits behind other bytes."""
        return self._writer.unread() and self._writer.taken() != self._taken
