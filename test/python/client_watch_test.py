"""When a silent client is asked, and when it is cut."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger.client_watch import ClientWatch  # noqa: E402


class Loop:
    """A clock that the test moves."""

    def __init__(self):
        self.now = 1000
        self.due = None

    def time(self):
        return self.now

    def call_later(self, seconds, function):
        self.due = self.now + seconds, function
        return self

    def cancel(self):
        self.due = None

    def sleep(self, seconds):
        end = self.now + seconds
        while self.due and self.due[0] <= end:
            (self.now, function), self.due = self.due, None
            function()
        self.now = end


class Writer:
    waiting = written = 0
    aborted = False

    def unread(self):
        return self.waiting

    def taken(self):
        return self.written - self.waiting

    def abort(self):
        self.aborted = True


class ClientWatchTest(unittest.TestCase):
    def setUp(self):
        self.asked = 0
        self.loop, self.writer = Loop(), Writer()
        self.watch = ClientWatch(self.loop, self.writer, self.ask)
        self.watch.heard()

    def ask(self):
        self.asked += 1

    def assert_state(self, asked, aborted):
        self.assertEqual((asked, aborted), (self.asked, self.writer.aborted))

    def test_a_silent_client_is_asked_and_then_cut(self):
        self.loop.sleep(19)
        self.assert_state(0, False)
        self.loop.sleep(1)
        self.assert_state(1, False)
        self.loop.sleep(20)
        self.assert_state(1, False)
        self.loop.sleep(1)
        self.assert_state(1, True)

    def test_an_answer_that_waits_in_a_loop_that_stood_still_is_heard(self):
        self.loop.sleep(40)
        self.watch.heard()
        self.loop.sleep(2)
        self.assert_state(1, False)

    def test_a_client_that_sends_is_not_asked_and_one_that_answers_is_not_cut(self):
        for _ in range(10):
            self.loop.sleep(15)
            self.watch.heard()
        self.assert_state(0, False)
        self.loop.sleep(30)
        self.watch.heard()
        self.loop.sleep(19)
        self.assert_state(1, False)
        self.loop.sleep(1)
        self.assert_state(2, False)

    def test_a_slow_client_is_not_cut_while_it_takes_bytes(self):
        self.writer.written = self.writer.waiting = 1000
        for _ in range(5):
            self.loop.sleep(20)
            self.writer.waiting -= 100
        self.assert_state(1, False)
        self.loop.sleep(41)
        self.assert_state(1, True)

    def test_a_client_from_which_nobody_reads_is_not_watched(self):
        self.watch.stop()
        self.loop.sleep(100)
        self.assert_state(0, False)
        self.watch.heard()
        self.loop.sleep(20)
        self.assert_state(1, False)


if __name__ == "__main__":
    unittest.main()
