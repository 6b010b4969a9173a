"""A request of PassengerWarmUp for an ASGI application: its answer goes to nobody."""

import asyncio

from . import layout
from .asgi import HttpRequest


class DroppedRequest(HttpRequest):
    """Has no channel, since no httpd child takes part."""

    def __init__(self, loop):
        super().__init__(loop, None, 0, 0, 0)
        # 0: the application has not answered yet.
        self.status = 0
        self.aborted = False
        # Done when the answer has ended. The application may go on, as with other requests.
        self.end = loop.create_future()

    async def send_message(self, type_, flags, *fields):
        if type_ == layout.RESPONSE:
            self.status = fields[0]
        elif type_ == layout.ABORTED:
            self.aborted = True
        if flags & layout.LAST:
            self.finished = True
            if not self.end.done():
                self.end.set_result(None)

    async def _await_message(self, may_be_file):
        """The client does not leave before the end of the answer."""
        await asyncio.shield(self.end)
