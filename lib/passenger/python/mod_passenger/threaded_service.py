"""Serves a WSGI application: threads that take requests and answer them, one after the other."""

from . import log, threads
from .intake import Intake
from .request_handler import RequestHandler, allow_waking
from .wsgi import WsgiAdapter


class ThreadedService:
    """The main thread owns it; the control thread calls pause(), resume() and replace()."""

    waits_in_loop = False

    def __init__(self, application, handover, channels, events):
        """`events`: what the instance is told (AppInstance)."""
        self._threads = handover.serve.threads
        self._channels = channels
        self._events = events
        self._intake = Intake(handover, events.paused)
        self._warms_up = self._finishes = False
        self._adapter = WsgiAdapter(application, self._threads)
        # Handler threads wait here until the instance is ready, and the warm-up is over.
        self._gate = threads.Gate()
        self._is_open = False
        self._handlers = []
        self._running = 0
        self._ended = threads.Condition()

    def prepare(self):
        """Before the first request. Raises RuntimeError where no thread can be made."""
        allow_waking()
        self._running = self._threads
        for index in range(self._threads):
            name = "Passenger handler %d" % index
            threads.start(name, lambda name=name, index=index: self._run(name, index))

    def warm_up(self):
        """The handover is that of the requests of PassengerWarmUp. They have a thread of their own:
        one that hangs goes on beside others, since Python ends no threads. Before run()."""
        self._warms_up = True
        threads.start("Passenger warm-up", self._run_warm_up)

    def run(self, endings):
        """Returns when the instance is to end. Requests may still be in work."""
        if not self._warms_up:
            self._open_gate()
        endings.wait()

    def pause(self):
        self._intake.pause()

    def resume(self):
        if self._intake.resume():
            self._events.resumed()

    def replace(self, handover):
        self._events.ready()
        if not self._warms_up:
            self._intake.replace(handover)
            return
        former, self._intake = self._intake, Intake(handover, self._events.paused)
        self._warms_up = False
        self._handlers = []
        former.finish()
        if self._finishes:
            self._intake.finish()
        self._open_gate()

    def finish(self, within):
        """Waits for the requests in work, so many seconds. Returns the number of those that are
        left."""
        self._finishes = True
        self._intake.finish()
        self._open_gate()
        deadline = threads.monotonic() + within
        with self._ended:
            while self._running and threads.monotonic() < deadline:
                self._ended.wait(deadline - threads.monotonic())
        if self._warms_up:
            # Nothing waits for a request of PassengerWarmUp.
            return 0
        return sum(handler.busy for handler in self._handlers)

    def let_go(self):
        """In a process that the application forked, which must not take or answer requests."""
        self._intake.let_go()
        for handler in self._handlers:
            handler.abandoned = True
            handler.let_go()

    def _open_gate(self):
        """The main thread and the control thread may both do so."""
        with self._ended:
            if not self._is_open:
                self._is_open = True
                self._gate.open()

    def _run(self, name, index):
        """The end of any thread ends the instance."""
        self._gate.wait()
        try:
            self._handle_requests(name, index, self._intake)
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()
            self._events.thread_ended()

    def _run_warm_up(self):
        intake = self._intake
        try:
            self._handle_requests("Passenger warm-up", 0, intake)
        finally:
            if intake is self._intake:
                self._events.thread_ended()
            else:
                intake.let_go()

    def _handle_requests(self, name, index, intake):
        handler = RequestHandler(intake, index, self._channels, self._adapter, self._events.answered)
        self._handlers.append(handler)
        try:
            handler.run()
        except SystemExit:
            pass
        except BaseException as error:
            log.exception("instance.thread_failed", error, thread=name)
