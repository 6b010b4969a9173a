"""Serves a WSGI application: threads that take requests and answer them, one after the other."""

from . import log, threads
from .intake import Intake
from .request_handler import RequestHandler, allow_waking
from .warm_up import run_in_thread
from .wsgi import WsgiAdapter


class ThreadedService:
    """The main thread owns it; the control thread calls pause(), resume() and replace()."""

    waits_in_loop = False

    def __init__(self, application, handover, channels, events):
        """`events`: what the instance is told (AppInstance)."""
        self._threads = handover.threads
        self._channels = channels
        self._events = events
        self._intake = Intake(handover, events.paused)
        self._adapter = WsgiAdapter(application, self._threads)
        # Handler threads wait here until the instance is ready.
        self._gate = threads.Gate()
        self._handlers = []
        self._running = 0
        self._ended = threads.Condition()

    def prepare(self):
        """Before the first request. Raises RuntimeError where no thread can be made."""
        allow_waking()
        self._handlers = [RequestHandler(self._intake, index, self._channels, self._adapter, self._events.answered)
                          for index in range(self._threads)]
        self._running = self._threads
        for index, handler in enumerate(self._handlers):
            name = "Passenger handler %d" % index
            threads.start(name, lambda name=name, handler=handler: self._run(name, handler))

    def warm_up(self, requests):
        """Answers the requests of PassengerWarmUp. Before run()."""
        run_in_thread(requests, lambda environment, reply: self._adapter.call(environment, b"", None, reply, False))

    def run(self, endings):
        """Returns when the instance is to end. Requests may still be in work."""
        self._gate.open()
        endings.wait()

    def pause(self):
        self._intake.pause()

    def resume(self):
        if self._intake.resume():
            self._events.resumed()

    def replace(self, handover):
        self._intake.replace(handover)

    def finish(self, within):
        """Waits for the requests in work, so many seconds. Returns the number of those that are
        left."""
        self._intake.finish()
        deadline = threads.monotonic() + within
        with self._ended:
            while self._running and threads.monotonic() < deadline:
                self._ended.wait(deadline - threads.monotonic())
        return sum(handler.busy for handler in self._handlers)

    def let_go(self):
        """In a process that the application forked, which must not take or answer requests."""
        self._intake.let_go()
        for handler in self._handlers:
            handler.abandoned = True
            handler.let_go()

    def _run(self, name, handler):
        """The end of any thread ends the instance."""
        self._gate.wait()
        try:
            handler.run()
        except SystemExit:
            pass
        except BaseException as error:
            log.exception("instance.thread_failed", error, thread=name)
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()
            self._events.thread_ended()
