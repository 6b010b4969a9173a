"""ASGI's lifespan protocol."""

import asyncio

from . import log
from .scope import ASGI


class Lifespan:
    """Startup and shutdown of the application, in a task of its own (ASGI's lifespan protocol)."""

    def __init__(self, application):
        self._application = application
        self._to_application = asyncio.Queue()
        self._from_application = asyncio.Queue()
        self._task = None
        self._started = False
        # What the application keeps for its requests. None: it does not take part in the protocol.
        self.state = {}

    async def start(self):
        """Raises RuntimeError if the application says that its startup has failed."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._to_application.put_nowait({"type": "lifespan.startup"})
        answer = await self._from_application.get()
        self._started = answer["type"] == "lifespan.startup.complete"
        if answer["type"] == "lifespan.startup.failed":
            raise RuntimeError("the application's startup failed: %s" % answer.get("message", ""))
        if answer["type"] != "lifespan.startup.complete":
            self.state = None

    async def stop(self):
        if self._task.done():
            return
        self._to_application.put_nowait({"type": "lifespan.shutdown"})
        answer = await self._from_application.get()
        if answer["type"] == "lifespan.shutdown.failed":
            log.event("hook.failed", hook="lifespan.shutdown", reason=answer.get("message", ""))

    async def _run(self):
        scope = {"type": "lifespan", "asgi": ASGI["lifespan"], "state": self.state}
        try:
            await self._application(scope, self._to_application.get, self._send)
        except Exception as error:
            # An application that knows no lifespan raises at once: it works without.
            if self._started:
                log.exception("hook.failed", error, hook="lifespan.shutdown")
        finally:
            self._from_application.put_nowait({"type": "ended"})

    async def _send(self, message):
        self._from_application.put_nowait(message)
