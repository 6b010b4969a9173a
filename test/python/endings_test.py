"""What ends an instance, beside handlers of signals that the application has in its event loop."""

import asyncio
import os
import signal
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger.endings import Endings  # noqa: E402

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class EndingsTest(unittest.TestCase):
    def setUp(self):
        self.handlers = {one: signal.getsignal(one) for one in SIGNALS}
        self.endings = Endings()

    def tearDown(self):
        self.endings.let_go()
        for one, handler in self.handlers.items():
            signal.signal(one, handler)

    def test_a_signal_ends_the_wait_of_a_thread_whatever_the_application_has_set_before(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        self.endings.end_on_signals(False)
        os.kill(os.getpid(), signal.SIGTERM)
        self.endings.wait()
        # Python has written the signal's number for the waiting thread.
        with self.assertRaises(BlockingIOError):
            os.read(reader, 1)

    def test_handlers_in_the_event_loop_are_called_and_the_end_is_noticed(self):
        for one in SIGNALS[:2]:
            with self.subTest(one=one):
                asyncio.run(self.hear(one))

    async def hear(self, ending):
        loop = asyncio.get_running_loop()
        heard, ended = loop.create_future(), loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, heard.set_result, None)
        self.endings.end_on_signals(True)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard, 60)

        def look():
            if self.endings.came():
                loop.remove_reader(self.endings.fileno())
                ended.set_result(None)

        loop.add_reader(self.endings.fileno(), look)
        os.kill(os.getpid(), ending)
        await asyncio.wait_for(ended, 60)


if __name__ == "__main__":
    unittest.main()
