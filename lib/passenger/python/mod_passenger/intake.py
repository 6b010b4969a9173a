"""Whether the handler threads of an instance take requests, and from which queue."""

from time import sleep

from . import threads

# Attempts, a millisecond apart, to wake threads that sleep in reading. Most wake at once.
_WAKINGS = 100


class Intake:
    """Handlers wait here while they may take no request.

    The control thread pauses, resumes and replaces, the main thread finishes. Thread-safe."""

    def __init__(self, handover, tell_idle):
        """`tell_idle` is called with the lock held, when the last handler of a paused intake
        becomes idle."""
        self._handover = handover
        self._threads = handover.serve.threads
        self._former = []
        self._using = {}
        self._tell_idle = tell_idle
        self._changed = threads.Condition()
        self._handlers = set()
        self._idle = set()
        self._paused = handover.serve.paused
        self._ended = False
        self._finished = False
        # Handlers ask before each request.
        self.open = not self._paused

    def wait_for(self, handler):
        """Waits until the handler may take requests, and returns the Handover. None: never again.

        The handler has no request of another Handover any more."""
        with self._changed:
            self._handlers.add(handler)
            self._using.pop(handler, None)
            self._close_former()
            if not self._available():
                self._be_idle(handler)
            if not self.open:
                return None
            self._using[handler] = self._handover
            return self._handover

    def queue_ended(self, handover):
        """All requests of this queue are taken, and none follows. Handlers wait for the next
        Handover."""
        with self._changed:
            if handover is self._handover:
                self._ended = True

    def replace(self, handover):
        """Another pool process serves. Handlers use its Handover as soon as the queue of the former
        one, which has ended, is empty."""
        with self._changed:
            if self._finished:
                handover.close()
                return
            self._former.append(self._handover)
            self._handover = handover
            self._ended = False
            self._close_former()
            was_paused, self._paused = self._paused, handover.serve.paused
            if self._paused:
                self.open = False
                if not was_paused:
                    self._tell_if_idle()
            elif was_paused:
                self._open_intake()
            self._changed.notify_all()

    def pause(self):
        """Handlers finish their requests, and take no more until resume()."""
        with self._changed:
            if self._paused or self._finished:
                return
            self._paused = True
            self._handover.queue.interrupt()
            self.open = False
            # Handlers that had not even noticed that it was resumed.
            self._tell_if_idle()
        self._wake_readers()

    def resume(self):
        """False: the intake was not paused, or it is finished."""
        with self._changed:
            if not self._paused or self._finished:
                return False
            self._paused = False
            self._open_intake()
            return True

    def finish(self):
        """Handlers finish their requests, and none waits any longer."""
        with self._changed:
            if not self._finished:
                self._handover.queue.interrupt()
            self.open = False
            self._finished = True
            self._changed.notify_all()
        self._wake_readers()

    def let_go(self):
        """In a process that the application forked, which has no other threads. Takes no lock."""
        self.open = False
        self._finished = True
        for handover in [*self._former, self._handover]:
            handover.close()
        self._handlers = set()

    def _available(self):
        return self.open and not self._ended

    def _close_former(self):
        for handover in self._former[:]:
            if handover not in self._using.values():
                self._former.remove(handover)
                handover.close()

    def _open_intake(self):
        self._handover.queue.go_on()
        self.open = True
        self._changed.notify_all()

    def _be_idle(self, handler):
        self._idle.add(handler)
        self._tell_if_idle()
        while not (self._available() or self._finished):
            self._changed.wait()
        self._idle.discard(handler)

    def _tell_if_idle(self):
        if self._paused and not self._finished and len(self._idle) == self._threads:
            self._tell_idle()

    def _wake_readers(self):
        """Repeats the signal: a thread that was about to read at the first one sleeps all the
        same."""
        for _ in range(_WAKINGS):
            with self._changed:
                waked = [handler.wake() for handler in self._handlers - self._idle]
            if not any(waked):
                return
            sleep(0.001)
