"""A request's place in an instance."""


class Place:
    """What a request occupies until its exchange is over."""

    __slots__ = ("source", "cell", "channel", "claim", "request", "free")

    def __init__(self, source, cell):
        self.source = source
        self.cell = cell
        self.channel = None
        self.claim = None
        # Only in the warm-up: it would be a cycle of references.
        self.request = None
        self.free = False
