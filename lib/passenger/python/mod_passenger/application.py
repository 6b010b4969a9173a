"""A loaded application, and what serves it."""

import inspect
import sys
import types

from . import log
from .threaded_service import ThreadedService

# The thread_count of LOAD where PassengerForceMaxConcurrentRequestsPerProcess sets no limit
# (Options::NO_THREAD_LIMIT). SERVE may name fewer, while other instances have the rest.
_NO_THREAD_LIMIT = 8192
# From Python 3.14 on annotations are evaluated when they are asked for. Their names may exist for
# type checkers only.
_FORMAT = {}
if sys.version_info >= (3, 14):
    import annotationlib

    _FORMAT["annotation_format"] = annotationlib.Format.STRING
_PARAMETERS = {"wsgi": ("environ", "start_response"), "asgi": ("scope", "receive", "send")}


def _init_of_object(self):
    """Takes the arguments that a class without a constructor takes."""


def _plain_function(application):
    """The function that a call runs, and how many of its parameters are bound. None instead of a
    function: it is not a plain one, so that a decorator, for instance, decides what it takes."""
    bound = 0
    function = application
    if isinstance(function, types.MethodType):
        function, bound = function.__func__, 1
    elif type(function) is type and function.__new__ is object.__new__:
        function, bound = inspect.getattr_static(function, "__init__"), 1
        if function is object.__init__:
            function = _init_of_object
    elif not isinstance(function, (types.FunctionType, type)):
        function, bound = inspect.getattr_static(type(function), "__call__", None), 1
    if not isinstance(function, types.FunctionType) or "__signature__" in function.__dict__:
        return None, 0
    return function, bound


def _can_take(signature, count):
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _names_asgi(function):
    """Whether it takes three arguments and not two, by what it wraps if it is a decorator's
    (functools.wraps). A decorator that takes two may itself give what it wraps one more."""
    wrapped = inspect.signature(function, **_FORMAT)
    if not _can_take(wrapped, 3) or _can_take(wrapped, 2) or _misfit_of(function, "asgi"):
        return False
    own = inspect.signature(function, follow_wrapped=False, **_FORMAT)
    return not _can_take(own, 2) or tuple(wrapped.parameters)[:3] == _PARAMETERS["asgi"]


def _misfit_of(function, form):
    """Why no request can call it: it takes another number of arguments than its form gives. None:
    it can be called, or this is not sure."""
    arguments = _PARAMETERS[form]
    function, bound = _plain_function(function)
    if function is None:
        return None
    code = function.__code__
    most = code.co_argcount - bound
    least = most - len(function.__defaults__ or ())
    if len(arguments) >= least and (len(arguments) <= most or code.co_flags & inspect.CO_VARARGS):
        return None
    return "takes (%s), which cannot be called with (%s), as %s does" % (
        ", ".join(code.co_varnames[bound:code.co_argcount]), ", ".join(arguments), form.upper())


def _is_asgi(function):
    """A coroutine function, or what takes three arguments and not two: it returns a coroutine."""
    try:
        return (inspect.iscoroutinefunction(function)
                or inspect.iscoroutinefunction(getattr(function, "__call__", None)) or _names_asgi(function))
    # Besides ValueError: an object may raise anything where it is asked for what it has not.
    except Exception:
        return False


def _async_service():
    # Imported here: asyncio takes memory and time.
    from .async_service import AsyncService

    return AsyncService


class Application:
    """WSGI or ASGI, which its kind or its parameters say."""

    def __init__(self, function, kind, thread_count):
        """`kind`, `thread_count`: of the options. The kind is "wsgi" or "asgi"; with "wsgi" the
        number is that of an application of threads."""
        self._function = function
        self._is_async = kind == "asgi" or _is_asgi(function)
        self._takes_all = kind != "asgi" or thread_count >= _NO_THREAD_LIMIT
        if self._is_async and kind != "asgi":
            log.event("app.asgi_found", reason="the application is ASGI: one instance has all requests at once")

    @property
    def form(self):
        """The form as the agent is told. The number of requests of an instance depends on it."""
        return "asgi" if self._is_async else "wsgi"

    @property
    def misfit(self):
        """Why no request can call it, or None."""
        return _misfit_of(self._function, self.form)

    def import_service(self):
        """Imports what service() needs: an upgrade may replace the files before a fork."""
        if self._is_async:
            _async_service()

    def service(self, handover, channels, events):
        """The service of a new instance."""
        if self._is_async:
            return _async_service()(self._function, handover, channels, events, self._takes_all)
        return ThreadedService(self._function, handover, channels, events)
