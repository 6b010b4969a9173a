"""A queue that the kernel does not watch is read from time to time, until it can be watched."""

import errno
import os
import sys
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import log  # noqa: E402
from mod_passenger.async_service import AsyncService  # noqa: E402


class Loop:
    """The kernel refuses the second descriptor while `full`."""

    def __init__(self):
        self.full = True
        self.readers = []
        self.calls = []
        self.timers = []

    def add_reader(self, descriptor, *_):
        if self.full and descriptor == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.readers.append(descriptor)

    def remove_reader(self, descriptor):
        self.readers.remove(descriptor)

    def call_soon(self, call, *arguments):
        self.calls.append(lambda: call(*arguments))

    def call_later(self, _, call, *arguments):
        timer = mock.Mock(run=lambda: call(*arguments))
        timer.cancel = lambda: timer in self.timers and self.timers.remove(timer)
        self.timers.append(timer)
        return timer


class Queue:
    def __init__(self, messages):
        self.messages = messages

    def descriptors(self):
        return [5, 6]

    def take(self):
        return self.messages.pop(0) if self.messages else None

    def ended(self):
        return False


class SourceTest(unittest.TestCase):
    def setUp(self):
        self.lines = []
        patch = mock.patch.object(log, "write", self.lines.append)
        patch.start()
        self.addCleanup(patch.stop)
        self.loop = Loop()
        self.events = mock.Mock()
        self.started = []

    def service(self, threads, messages, paused=False):
        serve = types.SimpleNamespace(threads=threads, paused=paused)
        handover = types.SimpleNamespace(queue=Queue(messages), serve=serve)
        service = AsyncService(None, handover, None, self.events, False)
        service._loop = self.loop
        service._start = lambda coroutine: self.started.append(coroutine.close())
        return service

    def run_timer(self):
        self.loop.timers.pop().run()
        while self.loop.calls:
            self.loop.calls.pop()()

    def test_all_messages_are_taken_and_the_queue_is_watched_later(self):
        service = self.service(5, [b"a", b"", b"b", b"c"])
        service._watch()
        self.assertEqual(([], 1), (self.loop.readers, len(self.loop.timers)))
        self.assertIn('event=queue.not_watched reason="[Errno 28] No space left on device"', self.lines[0])
        for taken in [1, 3]:
            self.run_timer()
            self.assertEqual(([], 1, taken), (self.loop.readers, len(self.loop.timers), len(self.started)))
        self.loop.full = False
        self.run_timer()
        self.assertEqual(([5, 6], 0, 3), (self.loop.readers, len(self.loop.timers), len(self.started)))
        self.assertEqual(3, len(self.lines))

    def test_a_paused_instance_is_resumed_and_paused_again(self):
        service = self.service(5, [b"a"], True)
        service._watch()
        service._resume()
        self.events.resumed.assert_called_once_with()
        self.assertEqual(1, len(self.loop.timers))
        service._pause()
        self.assertEqual(([], []), (self.loop.readers, self.loop.timers))

    def test_an_instance_without_a_free_cell_waits_for_one(self):
        service = self.service(1, [b"a", b"b"])
        service._watch()
        self.run_timer()
        self.assertEqual(([], 0, 1), (self.loop.readers, len(self.loop.timers), len(self.started)))
        source = service._sources[0]
        service._give_back(types.SimpleNamespace(free=False, source=source, cell=0))
        self.assertEqual(1, len(self.loop.timers))
        self.run_timer()
        self.assertEqual(2, len(self.started))


if __name__ == "__main__":
    unittest.main()
