"""Where an instance of an ASGI application takes requests, and where it claims them."""


class Source:
    """A queue, the memory for claims, and the cells that no request uses."""

    def __init__(self, handover):
        self.handover = handover
        self.queue = handover.queue
        self.cells = list(range(handover.threads - 1, -1, -1))
        self.busy = 0
        self.ended = False
        self._claims = {}
        self._watched = []

    def claim(self, cell):
        if cell not in self._claims:
            self._claims[cell] = self.handover.claim(cell)
        return self._claims[cell]

    def watch(self, loop, opened, readable):
        """Watches the queues while requests may be taken and there is a cell."""
        wanted = self.queue.descriptors() if opened and not self.ended and self.cells else []
        if wanted == self._watched:
            return
        for descriptor in self._watched:
            loop.remove_reader(descriptor)
        for descriptor in wanted:
            loop.add_reader(descriptor, readable, self)
        self._watched = wanted

    def let_go(self):
        for claim in self._claims.values():
            claim.close()
        self.handover.close()
