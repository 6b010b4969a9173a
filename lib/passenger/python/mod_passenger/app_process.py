"""The start of each preloader and instance: control socket as descriptor 3, HELLO, LOAD, the
application."""

import os
import signal
import sys
from time import sleep

from . import backtraces, frames, layout, log, threads
from .app_loader import AppLoader
from .frames import FrameSocket, ProtocolError

_CONTROL_DESCRIPTOR = 3
# Seconds that the interpreter has for its own end.
_END_WITHIN = 5


def start(role, serve):
    """Calls serve(control, application). The process ends with status 1 if the application cannot
    be loaded."""
    sys.stdout.reconfigure(line_buffering=True)
    backtraces.print_on_quit()
    signal.signal(signal.SIGHUP, _ignore)
    end_by_signals()
    control = FrameSocket(_CONTROL_DESCRIPTOR)

    def run():
        control.write(frames.HELLO, os.getpid())
        options = _options_from(control)
        if options is None:
            return
        log.app = options.get("app_group_name")
        _check_version(options.get("layout_version"))
        set_title(role)
        application = AppLoader(control, options).load()
        if application is None:
            sys.exit(1)
        serve(control, application)

    status = 1
    try:
        until_the_end(run)
        status = 0
    finally:
        _end_within(status)


def _ignore(*_):
    """A handler in place of SIG_IGN, which programs would inherit that the application starts."""


def _end_within(status):
    """Python waits at its end for threads of the application that are no daemons."""
    def end():
        sleep(_END_WITHIN)
        os._exit(status)

    try:
        threads.start("Passenger end", end)
    except RuntimeError:
        # No thread can be made.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_END_WITHIN)


def begin_anew(role, descriptor, output):
    """For a process that was just forked from a process with the application loaded. Gives the new
    process its own output and control socket, and sends HELLO."""
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    set_title(role)
    control = FrameSocket(descriptor)
    control.write(frames.HELLO, os.getpid())
    return control


def until_the_end(function):
    """Runs the function, which uses the control socket. It ends early if the agent closes the
    socket; a protocol error ends the process with status 1."""
    try:
        function()
    except ConnectionError:
        log.event("agent.gone")
    except ProtocolError as error:
        log.event("control.broken", reason=str(error))
        sys.exit(1)


def end_by_signals():
    """TERM and INT end the process at once, and its status tells the signal. The agent then starts
    it once more. Python would raise an exception at INT, as if the application had failed."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_DFL)


def exit_on_signals():
    """TERM and INT end a preloader."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: sys.exit())


def restore_signals():
    """For processes that the application forks: they are no instances."""
    for one in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(one, signal.SIG_DFL)
    # The application may have a handler of its own.
    if signal.getsignal(signal.SIGHUP) is _ignore:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def set_title(role):
    """Writes what ps shows over the arguments of this process. Does nothing where that is not
    possible."""
    try:
        # Imported here: Python may have been built without it.
        import ctypes

        with open("/proc/self/stat", encoding="latin-1") as file:
            fields = file.read().rpartition(") ")[2].split()
        begin, end = int(fields[45]), int(fields[46])
        title = "Passenger %s: %s" % (role, log.app)
        text = title.encode("utf-8", "surrogateescape")[: end - begin - 1]
        ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)
        pr_set_name = 15
        ctypes.CDLL(None).prctl(pr_set_name, role.encode(), 0, 0, 0)
    except (ImportError, OSError, ValueError, IndexError, AttributeError):
        pass


def _options_from(control):
    frame = control.read()
    if frame is None or frame.type == frames.FINISH:
        return None
    if frame.type != frames.LOAD:
        raise ProtocolError("frame %d instead of LOAD" % frame.type)
    return frame.map()


def _check_version(agents):
    """During an upgrade an agent of another version may start these files. Its requests would all
    fail; if the start fails, instances of before go on."""
    if agents not in (None, str(layout.VERSION)):
        raise ProtocolError(
            "the agent has version %s of the layouts, the installed files have %d: reload httpd"
            % (agents, layout.VERSION)
        )
