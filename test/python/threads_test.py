"""Tests the threads of an instance."""

import os
import sys
import threading
import time
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("PASSENGER_LIB", os.path.join(HERE, "../../lib/passenger")), "python"))

from mod_passenger import threads  # noqa: E402


class ThreadsTest(unittest.TestCase):
    def test_a_thread_runs_when_start_returns(self):
        """A process that ends before its last thread runs crashes."""
        begun = []
        start = threads.start_new_thread

        def start_late(run, arguments):
            def late():
                time.sleep(0.2)
                begun.append(True)
                run(*arguments)

            return start(late, ())

        with mock.patch.object(threads, "start_new_thread", start_late):
            threads.start("late", lambda: None)
        self.assertEqual([True], begun)

    def test_threads_that_it_starts_are_no_daemons(self):
        daemons = []
        ended = threads.allocate_lock()
        ended.acquire()

        def run():
            daemons.append(threading.Thread().daemon)
            ended.release()

        threads.start("starts another", run)
        ended.acquire()
        self.assertEqual([False], daemons)


if __name__ == "__main__":
    unittest.main()
