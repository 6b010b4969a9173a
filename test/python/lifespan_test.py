"""Tests which exceptions say that an application does not take part in the lifespan."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("PASSENGER_LIB", os.path.join(HERE, "../../lib/passenger")), "python"))

from mod_passenger.lifespan import _is_refusal  # noqa: E402


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError


class LifespanTest(unittest.TestCase):
    def test_only_what_says_so_is_a_refusal(self):
        for error in (NotImplementedError(),
                      ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")):
            self.assertTrue(_is_refusal(error), repr(error))
        for error in (KeyError("lifespan"), ValueError("unknown scope type lifespan"), Unprintable()):
            self.assertFalse(_is_refusal(error), type(error))


if __name__ == "__main__":
    unittest.main()
