"""Writes events to standard error; the agent collects that output into its log.

A line is one event: its name, then its fields."""

import os
import traceback

from . import threads

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_LINES = 10
_INTERVAL = 10

# The name of the application's group. Each event has the name once it is set.
app = None

_lock = threads.allocate_lock()
_complaints = {"since": -_INTERVAL, "lines": 0, "left_out": 0}


def event(name, **fields):
    """Logs one event. Texts are quoted."""
    if app is not None:
        fields = {"app": app, **fields}
    write("".join(["event=", name, *(" %s=%s" % (key, _shown(value)) for key, value in fields.items())]) + "\n")


def complaint(name, **fields):
    """Logs an event that a peer without trust can cause as often as it likes.

    At most ten lines are written in ten seconds; the next line says how many were left out."""
    with _lock:
        now = threads.monotonic()
        if now - _complaints["since"] >= _INTERVAL:
            _complaints.update(since=now, lines=0)
        _complaints["lines"] += 1
        if _complaints["lines"] > _LINES:
            _complaints["left_out"] += 1
            return
        left_out, _complaints["left_out"] = _complaints["left_out"], 0
    if left_out:
        fields["left_out"] = left_out
    event(name, **fields)


def exception(name, error, **fields):
    """Logs an exception with its causes and its backtrace."""
    event(name, **fields, exception=class_of(error), message=message_of(error))
    write(describe(error))


def subject(environment, path):
    """The fields that an event about a request begins with."""
    fields = {"request": environment.get("PASSENGER_REQUEST_ID"), "method": environment.get("REQUEST_METHOD"),
              "path": path}
    return {name: value for name, value in fields.items() if value is not None}


def class_of(error):
    """The exception's class, with its module unless that is Python's own."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def message_of(error):
    """The text of an application's exception. Making it may raise, too."""
    try:
        return str(error)
    except Exception as other:
        return "(no message: %s)" % class_of(other)


def describe(error):
    """Python's own text of the exception and its causes. The frames of the loader are left out."""
    try:
        report = traceback.TracebackException.from_exception(error)
        seen = report
        while seen is not None:
            seen.stack = traceback.StackSummary.from_list(frame for frame in seen.stack if not _is_ours(frame.filename))
            seen = seen.__cause__ or seen.__context__
        return "".join(report.format())
    except Exception:
        return "%s: %s\n" % (class_of(error), message_of(error))


def encoded(text):
    """Bytes of a text, in which a byte that is not UTF-8 is a surrogate (PEP 383)."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeError:
        return text.encode("utf-8", "backslashreplace")


def write(text):
    """A log that cannot be written does not fail the request that logs. Descriptor 2: the
    application may have replaced sys.stderr."""
    try:
        data = encoded(text)
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass


def _is_ours(file):
    return file.startswith((_PACKAGE, "<frozen importlib"))


def _shown(value):
    if isinstance(value, (int, float)):
        return str(value)
    text = "".join(_escaped(character) for character in str(value))
    return '"%s"' % text


def _escaped(character):
    if character in '"\\':
        return "\\" + character
    if character == "\n":
        return "\\n"
    return character if character.isprintable() or "\udc80" <= character <= "\udcff" else "\\x%02X" % ord(character)
