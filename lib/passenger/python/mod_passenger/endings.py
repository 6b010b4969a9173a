"""What ends an instance: a signal, the agent, or the end of one of its threads."""

import os
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_OTHER = 255
_ENDS = {_OTHER, *_SIGNALS}


class Endings:
    """The main thread waits here. Any thread may end it.

    A pipe: the kernel may deliver a signal to another thread, or right before the main thread
    begins to wait. Python writes the number of a signal into it at once (signal.set_wakeup_fd)."""

    def __init__(self):
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def end_on_signals(self, waits_in_loop):
        """From now on SIGTERM and SIGINT end the wait. Called by the main thread. `waits_in_loop`:
        it waits in an event loop, which wakes at a signal by a descriptor of its own if the
        application has handlers of signals in it."""
        for one in _SIGNALS:
            signal.signal(one, lambda *_: self.end())
        former = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        if waits_in_loop and former != -1:
            signal.set_wakeup_fd(former)

    def end(self):
        try:
            os.write(self._writer, bytes([_OTHER]))
        except OSError:
            pass

    def wait(self):
        """Returns when anything has ended the instance."""
        while not self.came():
            pass

    def fileno(self):
        """Readable when came() does not wait."""
        return self._reader

    def came(self):
        """Waits for news. True: they end the instance."""
        return not _ENDS.isdisjoint(os.read(self._reader, 256))

    def let_go(self):
        """In a process that the application forked."""
        signal.set_wakeup_fd(-1)
        for one in (self._reader, self._writer):
            os.close(one)
        self._reader = self._writer = -1
