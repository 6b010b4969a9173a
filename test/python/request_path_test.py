"""The path of a request, as WSGI and ASGI applications get it."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger.request_path import decoded  # noqa: E402


class RequestPathTest(unittest.TestCase):
    def test_escapes_are_bytes(self):
        self.assertEqual(b"/a b\xc3\xa9", decoded("/a%20b%C3%A9"))

    def test_encoded_slashes_stay(self):
        self.assertEqual(b"/a%2Fb%2fc%2Fd", decoded("/a%2Fb%2fc%252Fd"))

    def test_bytes_above_ascii_stay(self):
        # A path of PassengerWarmUp is as the configuration has it.
        self.assertEqual(b"/\xc3\xa9 x", decoded("/\xc3\xa9%20x"))


if __name__ == "__main__":
    unittest.main()
