"""Where the threads of this process are, for people."""

import faulthandler
import os
import signal
import sys
import traceback

from . import log, threads

_MOST = 256 * 1024
# Frames of AsyncService below which a request's application runs.
_OURS = 4

# The event loop of an ASGI application.
_loop = None
# The handler of SIGQUIT before the application was loaded: a shell starts background programs with
# SIG_IGN.
_handler = None


def print_on_quit():
    """SIGQUIT writes the backtrace of each thread to the log, whatever code has the interpreter's
    lock."""
    global _handler
    _handler = signal.getsignal(signal.SIGQUIT)
    faulthandler.register(signal.SIGQUIT, file=2, all_threads=True, chain=False)


def show_tasks_of(loop):
    """From now on the tasks of asyncio are told, too: the threads show only the one that runs.
    After SIGQUIT they follow once the main thread, to which the loop belongs, is in Python's code.
    Called in the main thread."""
    global _loop
    _loop = loop
    if signal.getsignal(signal.SIGQUIT) != _handler:
        # The application has a handler of its own.
        return
    faulthandler.unregister(signal.SIGQUIT)
    signal.signal(signal.SIGQUIT, lambda *_: log.write("".join(_tasks())))
    faulthandler.register(signal.SIGQUIT, file=2, all_threads=True, chain=True)


def text():
    """The backtraces of all tasks and threads. The main thread comes last: a report that is too
    long loses its beginning."""
    parts = _tasks()
    for identifier, frame in threads.stack_of_threads():
        parts.append("Thread %s of process %d:\n" % (threads.thread_title(identifier), os.getpid()))
        parts.extend(traceback.format_stack(frame))
    return log.encoded("".join(parts))[-_MOST:]


def _tasks():
    """Texts that say where each task of the loop waits."""
    if _loop is None:
        return []
    try:
        tasks = sys.modules["asyncio"].all_tasks(_loop)
    except RuntimeError as error:
        # Other threads than the loop's read the set while it changes.
        return ["Tasks of process %d: unknown (%s)\n" % (os.getpid(), error)]
    parts = []
    size = 0
    for task in tasks:
        if size > _MOST:
            parts.append("… and further tasks of %d\n" % len(tasks))
            break
        frames = list(_frames_of(task.get_coro()))
        parts.append("Task %s of process %d:\n%s" % (_title_of(task, frames), os.getpid(), "".join(
            traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames).format())))
        size += len(parts[-1])
    return parts


def _frames_of(awaited):
    """The frames of a coroutine, and of the coroutines that it awaits."""
    while awaited is not None:
        for kind, further in (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")):
            frame = getattr(awaited, kind, None)
            if frame is not None:
                yield frame
                awaited = getattr(awaited, further)
                break
        else:
            return


def _title_of(task, frames):
    """With the request, if AsyncService has made the task for one."""
    for frame in frames[:_OURS]:
        environment = frame.f_locals.get("environment")
        if isinstance(environment, dict) and "REQUEST_METHOD" in environment:
            return "%s (%s %s)" % (task.get_name(), environment["REQUEST_METHOD"], environment.get("REQUEST_URI"))
    return task.get_name()


def write():
    """To the log."""
    log.write(os.fsdecode(text()))
