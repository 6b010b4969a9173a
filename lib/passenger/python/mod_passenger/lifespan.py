"""ASGI's lifespan protocol."""

import asyncio

from . import log
from .scope import ASGI

# Seconds in which an application that says that it has failed raises its exception, as Starlette
# does.
_RAISES_WITHIN = 1


class Lifespan:
    """Startup and shutdown of the application, in a task of its own (ASGI's lifespan protocol)."""

    def __init__(self, application):
        self._application = application
        self._to_application = asyncio.Queue()
        self._from_application = asyncio.Queue()
        self._task = None
        # What the task has raised.
        self._error = None
        self._started = False
        # What the application keeps for its requests. None: it does not take part in the protocol.
        self.state = {}

    async def start(self):
        """Returns the exception of a startup that has failed, or None."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._to_application.put_nowait({"type": "lifespan.startup"})
        answer = await self._from_application.get()
        self._started = answer["type"] == "lifespan.startup.complete"
        if answer["type"] == "lifespan.startup.failed":
            await self._wait_for_error()
            return self._error or RuntimeError("the application's startup failed: %s" % answer.get("message", ""))
        if not self._started:
            self.state = None
            if self._error and not _is_refusal(self._error):
                log.event("app.lifespan_left_out", exception=log.class_of(self._error),
                          message=log.message_of(self._error))
        return None

    async def stop(self):
        if self._task.done():
            return
        self._to_application.put_nowait({"type": "lifespan.shutdown"})
        answer = await self._from_application.get()
        if answer["type"] == "lifespan.shutdown.failed":
            await self._wait_for_error()
            if not self._error:
                log.event("hook.failed", hook="lifespan.shutdown", reason=answer.get("message", ""))

    async def _wait_for_error(self):
        await asyncio.wait({self._task}, timeout=_RAISES_WITHIN)

    async def _run(self):
        scope = {"type": "lifespan", "asgi": dict(ASGI["lifespan"]), "state": self.state}
        try:
            await self._application(scope, self._to_application.get, self._send)
        except Exception as error:
            self._error = error
            if self._started:
                log.exception("hook.failed", error, hook="lifespan.shutdown")
        finally:
            self._from_application.put_nowait({"type": "ended"})

    async def _send(self, message):
        self._from_application.put_nowait(message)


def _is_refusal(error):
    """Whether an application without lifespan says so, as Django: "can only handle ASGI/HTTP
    connections, not lifespan"."""
    message = log.message_of(error)
    return isinstance(error, NotImplementedError) or (
        isinstance(error, ValueError) and "can only handle " in message and "not lifespan" in message)
