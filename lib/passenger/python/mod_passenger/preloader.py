"""Holds an application loaded and forks instances of it."""

import atexit
import gc
import os
import signal
import sys
from select import POLLIN, poll

from . import app_process, failure, frames, import_loop, log, shared
from .app_instance import AppInstance

# The original: that of gevent knows of an ended child only while its loop runs.
_waitpid = os.waitpid
# Milliseconds between two looks at instances without a pidfd.
_LOOK = 1000


class Preloader:
    """A preloader has no queue, no channel and no claims. All is done in the main thread."""

    def __init__(self, control, application):
        self._control = control
        self._application = application
        self._news = poll()
        self._news.register(control, POLLIN)
        # By pid: the pidfd, and the pipe for the wait status. None instead of a pidfd: no
        # descriptor was left, or this Python was built without the function.
        self._instances = {}
        self._has_forked = False

    def run(self):
        """Returns at the end of the control socket; in a new instance, at that instance's end."""
        app_process.end_by_signals()
        shared.close_databases()
        self._application.import_service()
        prepare_memory()
        shared.tell()
        # A handler of the application would wait for the instances.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        app_process.exit_on_signals()
        self._control.write(frames.LOADED, self._application.form)
        while True:
            frame = self._next_frame()
            if frame is None or frame.type == frames.FINISH:
                return
            if frame.type == frames.FORK:
                if self._fork(*frame.take_descriptors(3)):
                    return
            else:
                frame.close_descriptors()
                log.event("control.unexpected_frame", type=frame.type)

    def _next_frame(self):
        """None: the end. Meanwhile instances may end."""
        while True:
            unwatched = any(pidfd is None for pidfd, _ in self._instances.values())
            ready = [descriptor for descriptor, _ in self._news.poll(_LOOK if unwatched else None)]
            self._reap()
            if self._control.fileno() in ready:
                return self._control.read()

    def _fork(self, control, output, wait_status):
        """True: this is the new instance, at its end."""
        try:
            pid = os.fork()
        except OSError as error:
            os.close(wait_status)
            failure.report(self._control, "instance.fork_failed", "instance forked", error)
        else:
            if pid == 0:
                os.close(wait_status)
                self._become_instance(control, output)
                return True
            if not self._has_forked:
                # Handlers run in reverse order: this one is the first.
                atexit.register(end_for_itself, os.getpid())
                self._has_forked = True
            self._watch(pid, wait_status)
            self._control.write(frames.FORKED, pid)
        os.close(control)
        os.close(output)
        return False

    def _become_instance(self, control, output):
        app_process.end_by_signals()
        self._control.close()
        for pid in list(self._instances):
            self._forget(pid)
        import_loop.forget()
        forget_fork_server()
        AppInstance(app_process.begin_anew("PythonApp", control, output), self._application, True).run()

    def _watch(self, pid, pipe):
        try:
            pidfd = os.pidfd_open(pid)
            self._news.register(pidfd, POLLIN)
        except (AttributeError, OSError):
            pidfd = None
        self._instances[pid] = pidfd, pipe

    def _forget(self, pid):
        pidfd, pipe = self._instances.pop(pid)
        os.close(pipe)
        if pidfd is not None:
            self._news.unregister(pidfd)
            os.close(pidfd)

    def _reap(self):
        """Waits for the instances alone: the application may have children, and waits for them
        itself."""
        for pid, (_, pipe) in list(self._instances.items()):
            try:
                ended, status = _waitpid(pid, os.WNOHANG)
                if ended:
                    os.write(pipe, str(status).encode())
            except (ChildProcessError, BrokenPipeError):
                # The application has waited for it, or the agent does not.
                ended = pid
            if ended:
                self._forget(pid)


def end_for_itself(pid):
    """Instances have the application's handlers of the end (atexit), too. They may still use what
    these remove, such as temporary folders. So they do not run in the preloader, which has this
    pid."""
    if os.getpid() == pid:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def forget_fork_server():
    """In a fork: the fork server of multiprocessing (the default of Python 3.14) is the preloader's
    child, for which this process cannot wait. multiprocessing then starts another one. What the
    import started goes on."""
    server = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    if server is not None:
        server._forkserver_pid = None


def prepare_memory():
    """Loaded objects stay. So the garbage collector need not look at them, and instances go on
    sharing their memory."""
    gc.collect()
    gc.freeze()
