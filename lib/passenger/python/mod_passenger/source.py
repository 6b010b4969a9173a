"""Where an instance of an ASGI application takes requests, and where it claims them."""

from . import log

# Seconds between two looks at queues that the kernel does not watch.
_RETRY_INTERVAL = 0.2


class Source:
    """A queue, the memory for claims, and the cells that no request uses."""

    def __init__(self, handover):
        self.handover = handover
        self.queue = handover.queue
        self.cells = list(range(handover.serve.threads - 1, -1, -1))
        self.busy = 0
        self.ended = False
        self._claims = {}
        self._watched = []
        # The timer of the next look, while a queue cannot be watched.
        self._retry = None

    def claim(self, cell):
        if cell not in self._claims:
            self._claims[cell] = self.handover.claim(cell)
        return self._claims[cell]

    def watch(self, loop, opened, readable):
        """Watches the queues while requests may be taken and there is a cell."""
        wanted = self.queue.descriptors() if opened and not self.ended and self.cells else []
        if self._retry:
            self._retry.cancel()
            self._retry = None
        if wanted == self._watched:
            return
        self._unwatch(loop)
        try:
            for descriptor in wanted:
                loop.add_reader(descriptor, readable, self)
                self._watched.append(descriptor)
        except OSError as error:
            self._unwatch(loop)
            log.complaint("queue.not_watched", reason=str(error))
            self._retry = loop.call_later(_RETRY_INTERVAL, readable, self)

    def is_missing(self):
        """The kernel watches no more descriptors."""
        return self._retry is not None

    def _unwatch(self, loop):
        while self._watched:
            loop.remove_reader(self._watched.pop())

    def let_go(self):
        for claim in self._claims.values():
            claim.close()
        self.handover.close()
