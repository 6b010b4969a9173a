"""Holds an application loaded and forks instances of it."""

import gc
import os
import signal
import sys

from . import app_process, failure, frames, import_loop, log, shared
from .app_instance import AppInstance


class Preloader:
    """A preloader has no queue, no channel and no claims. All is done in the main thread."""

    def __init__(self, control, application):
        self._control = control
        self._application = application
        # The pipes for the wait statuses of the instances, by pid.
        self._wait_statuses = {}
        self._has_forked = False

    def run(self):
        """Returns at the end of the control socket; in a new instance, at that instance's end."""
        app_process.exit_on_signals()
        shared.close_databases()
        prepare_memory()
        shared.tell()
        signal.signal(signal.SIGCHLD, self._reap)
        self._control.write(frames.LOADED, self._application.form)
        while True:
            frame = self._control.read()
            if frame is None or frame.type == frames.FINISH:
                return self._end()
            if frame.type == frames.FORK:
                if self._fork(*frame.take_descriptors(3)):
                    return
            else:
                frame.close_descriptors()
                log.event("control.unexpected_frame", type=frame.type)

    def _end(self):
        """Instances have the application's handlers of the end (atexit), too. They may still use
        what these remove, such as temporary folders."""
        if self._has_forked:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    def _fork(self, control, output, wait_status):
        """True: this is the new instance, at its end."""
        # The handler of SIGCHLD must not run before the pid is known.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
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
            self._has_forked = True
            self._wait_statuses[pid] = wait_status
            self._control.write(frames.FORKED, pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.close(control)
        os.close(output)
        return False

    def _become_instance(self, control, output):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        self._control.close()
        for pipe in self._wait_statuses.values():
            os.close(pipe)
        self._wait_statuses = {}
        import_loop.forget()
        AppInstance(app_process.begin_anew("PythonApp", control, output), self._application, True).run()

    def _reap(self, *_):
        """Waits for the instances alone: the application may have children, and waits for them
        itself."""
        for pid in list(self._wait_statuses):
            # A second signal may run this function within the first one.
            pipe = self._wait_statuses.pop(pid, None)
            if pipe is None:
                continue
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                # The application has waited for it.
                ended, status = pid, None
            if not ended:
                self._wait_statuses[pid] = pipe
                continue
            try:
                if status is not None:
                    os.write(pipe, str(status).encode())
            except BrokenPipeError:
                pass
            os.close(pipe)


def prepare_memory():
    """What is loaded stays, so the garbage collector need not look at it, and instances go on
    sharing it."""
    gc.collect()
    gc.freeze()
