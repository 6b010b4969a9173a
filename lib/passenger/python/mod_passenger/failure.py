"""Reports to the log and to the agent why a process cannot serve."""

import sys

from . import frames, log

# Bytes. Message and description have at most half a frame each.
_TEXT_LIMIT = 256 * 1024
# Lines of a message that the first line of the log has. The first one may have no cause: "1
# validation error for Settings".
_LINES = 3


def report(control, event, step, error):
    """The event has no backtrace: the agent logs the report, which has it."""
    kind = log.class_of(error)
    lines = [line.strip() for line in log.message_of(error).splitlines()]
    message = "; ".join([line for line in lines if line][:_LINES])
    if isinstance(error, ModuleNotFoundError):
        # Which of several interpreters and virtualenvs searched for it.
        message += " (in %s)" % sys.executable
    log.event(event, step=step, exception=kind, message=message)
    control.write(frames.FAILED, step, kind, _cut(message), _cut(log.describe(error)))


def _cut(text):
    return log.encoded(text)[:_TEXT_LIMIT]
