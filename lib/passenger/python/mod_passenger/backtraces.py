"""Where the threads of this process are, for people."""

import faulthandler
import os
import signal
import traceback

from . import log, threads

_MOST = 256 * 1024


def print_on_quit():
    """SIGQUIT writes the backtrace of each thread to the log, whatever code has the interpreter's lock."""
    faulthandler.register(signal.SIGQUIT, file=2, all_threads=True, chain=False)


def text():
    """Of all threads. The main thread comes last: a report that is too long loses its beginning."""
    parts = []
    for identifier, frame in threads.stack_of_threads():
        parts.append("Thread %s of process %d:\n" % (threads.thread_title(identifier), os.getpid()))
        parts.extend(traceback.format_stack(frame))
    return log.encoded("".join(parts))[-_MOST:]


def write():
    """To the log."""
    log.write(os.fsdecode(text()))
