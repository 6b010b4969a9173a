"""A loaded application, and what serves it."""

import inspect

from . import log
from .threaded_service import ThreadedService

_PARAMETERS = {"wsgi": ("environ", "start_response"), "asgi": ("scope", "receive", "send")}


class Application:
    """WSGI or ASGI. An ASGI application is a coroutine function of (scope, receive, send), or its kind says so."""

    def __init__(self, function, kind):
        """`kind`: of the options, "wsgi" or "asgi"."""
        self._function = function
        self._is_async = kind == "asgi" or inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None))
        if self._is_async and kind != "asgi":
            log.event("app.asgi_found", reason="the application is ASGI: an instance has all requests at once",
                      remedy="PassengerAppType asgi")

    @property
    def form(self):
        """What the agent is told: how many requests an instance can have depends on it."""
        return "asgi" if self._is_async else "wsgi"

    @property
    def misfit(self):
        """Why no request can call it: its parameters are others than those of its form. None: it can be called, or
        Python does not know its parameters surely."""
        parameters = _PARAMETERS[self.form]
        if hasattr(self._function, "__signature__"):
            return None
        try:
            # Of the function that is called, not of one that it wraps.
            signature = inspect.signature(self._function, follow_wrapped=False)
        except (TypeError, ValueError):
            return None
        try:
            signature.bind(*parameters)
        except TypeError as error:
            return "takes %s, which cannot be called with (%s), as %s does: %s" % (
                signature, ", ".join(parameters), self.form.upper(), error)
        return None

    def service(self, handover, channels, events):
        """The service of a new instance."""
        if self._is_async:
            # Imported here: asyncio takes memory and time.
            from .async_service import AsyncService

            return AsyncService(self._function, handover, channels, events)
        return ThreadedService(self._function, handover, channels, events)
