"""A process that serves requests, from SERVE to its end."""

import os
from time import sleep

from . import app_process, backtraces, failure, frames, hooks, log, threads
from .channels import Channels
from .endings import Endings
from .frames import ProtocolError
from .handover import Handover

# Names of steps of a start in reports.
_HOOKS = "starting hooks"
_THREADS = "starting threads"


class AppInstance:
    """The main thread owns it and waits for the end, and the control thread reads the control
    socket. A service takes the requests: ThreadedService or AsyncService. Tells the agent when
    PassengerMaxRequests is reached."""

    def __init__(self, control, application, forked):
        """`forked`: a preloader forked this process; the application's hooks are told."""
        self._control = control
        self._application = application
        self._forked = forked
        self._endings = Endings()
        self._channels = Channels(control)
        self._service = None
        # What the first SERVE says.
        self._first = None
        self._answered = 0
        self._counting = threads.allocate_lock()

    def run(self):
        """Returns after the last request; the caller then lets the process end."""
        frame = self._control.read()
        if frame is None or frame.type == frames.FINISH:
            return
        if frame.type != frames.SERVE:
            raise ProtocolError("frame %d instead of SERVE" % frame.type)
        self._take(frame)
        ready = threads.Gate()
        os.register_at_fork(after_in_child=self._let_go)
        step = _HOOKS
        try:
            hooks.starting_worker_process.run(self._forked)
            # Without a loop it makes threads; else it calls the application.
            step = _HOOKS if self._service.waits_in_loop else _THREADS
            self._service.prepare()
            step = _THREADS
            self._endings.end_on_signals(self._service.waits_in_loop)
            if self._first.warms_up:
                self._service.warm_up()
            threads.start("Passenger control", lambda: self._read_control_socket(ready))
            if self._first.heartbeat_interval:
                threads.start("Passenger heartbeat", lambda: self._beat(ready))
        except BaseException as error:
            failure.report(self._control, "instance.start_failed", step, error)
            return
        # READY goes first: the agent supposes that an instance has no request before READY. All
        # threads are there: one that serves may end because of an instance that is ready.
        self._tell(frames.READY)
        ready.open()
        self._service.run(self._endings)
        self._finish()

    def ready(self):
        """From the service, after each further SERVE, before it takes requests of that."""
        self._tell(frames.READY)
        if 0 < self._first.max_requests <= self._answered:
            self._tell(frames.LIMIT_REACHED)

    def paused(self):
        """From the service: no request is in work, and none is taken."""
        self._tell(frames.PAUSE, 1)

    def resumed(self):
        """From the service: requests are taken again."""
        self._tell(frames.PAUSE, 0)

    def thread_ended(self):
        """From the service: the instance cannot go on."""
        self._endings.end()

    def answered(self):
        """From any thread of the service, after each request that has run."""
        if not self._first.max_requests:
            return
        with self._counting:
            self._answered += 1
            reached = self._answered == self._first.max_requests
        if reached:
            self._tell(frames.LIMIT_REACHED)

    def _take(self, frame):
        handover = Handover(frame)
        self._first = handover.serve
        log.app = self._first.app
        self._service = self._application.service(handover, self._channels, self)
        app_process.set_title("PythonApp")

    def _beat(self, ready):
        """Signs of life (PassengerHeartbeatTimeout), whatever the service does. They stop if a
        thread keeps the interpreter's lock for good."""
        ready.wait()
        try:
            while True:
                sleep(self._first.heartbeat_interval / 1000)
                self._control.write_if_room(frames.HEARTBEAT)
        except (OSError, ValueError):
            pass

    def _read_control_socket(self, ready):
        """Goes on after FINISH, because a request in work may still need a channel. Its end ends
        the instance."""
        ready.wait()
        try:
            while True:
                frame = self._control.read()
                if frame is None:
                    return
                self._handle(frame)
        except ProtocolError as error:
            log.event("control.broken", reason=str(error))
        except BaseException as error:
            log.exception("instance.thread_failed", error, thread="Passenger control")
        finally:
            self._channels.stop()
            self._endings.end()

    def _handle(self, frame):
        kind = frame.type
        if kind == frames.CHANNEL:
            self._add_channel(frame)
        elif kind == frames.NO_CHANNEL:
            self._channels.refuse(frame.number(0))
        elif kind == frames.DROP:
            for index in range(len(frame.fields)):
                self._channels.drop(frame.number(index))
        elif kind == frames.PAUSE:
            self._pause_or_resume(frame)
        elif kind == frames.THREADS:
            if frame.fields:
                backtraces.write()
            else:
                self._tell(frames.THREADS, backtraces.text())
        elif kind == frames.SERVE:
            self._serve_anew(frame)
        elif kind == frames.FINISH:
            self._endings.end()
        else:
            frame.close_descriptors()
            log.event("control.unexpected_frame", type=kind)

    def _add_channel(self, frame):
        if frame.descriptors:
            self._channels.add(frame.number(0), *frame.take_descriptors(1))
            return
        # No request of it is begun: its child sends it again.
        log.complaint("channel.not_received", remedy="a higher limit of open files")
        self._tell(frames.NO_CHANNEL, frame.number(0))
        self._channels.refuse(frame.number(0))

    def _serve_anew(self, frame):
        """The requests of PassengerWarmUp are over; or the pool process has ended, and this is its
        successor."""
        handover = Handover(frame)
        if handover.serve.threads != self._first.threads:
            raise ProtocolError("SERVE names %d threads instead of %d" % (handover.serve.threads, self._first.threads))
        self._channels.forget()
        self._service.replace(handover)

    def _pause_or_resume(self, frame):
        state = frame.text(0)
        if state == "1":
            self._service.pause()
        elif state == "0":
            self._service.resume()
        else:
            raise ProtocolError("PAUSE with %r" % state)

    def _tell(self, type_, *fields):
        """From any thread. The control thread notices the end of the agent."""
        try:
            self._control.write(type_, *fields)
        except (OSError, ValueError):
            pass

    def _finish(self):
        busy = self._service.finish(frames.FINISH_SECONDS)
        if busy:
            log.event("instance.gave_up_waiting", requests=busy)
        hooks.stopping_worker_process.run_all()

    def _let_go(self):
        """In a process that the application forked, which must not take or answer requests."""
        if self._service is None:
            return
        self._service.let_go()
        self._channels.close_all()
        self._control.close()
        self._endings.let_go()
        # A process that this process forks has nothing to close.
        self._service = None
        app_process.restore_signals()
        threads.become_main()
