"""Which Pythons load the native code."""

import importlib.machinery
import os
import sys
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("PASSENGER_LIB", os.path.join(HERE, "../../lib/passenger")), "python"))
sys.argv[0] = os.path.join(sys.path[0], "instance.py")  # native code is beside it

from mod_passenger import native  # noqa: E402


@unittest.skipUnless(native.module, "the native code is not built")
class NativeTest(unittest.TestCase):
    def test_a_python_without_the_stable_interface_does_not_load_it(self):
        suffixes = [".cpython-314t-x86_64-linux-gnu.so", ".so"]
        with mock.patch.object(importlib.machinery, "EXTENSION_SUFFIXES", suffixes):
            self.assertIsNone(native._load())
        self.assertIsNotNone(native._load())


if __name__ == "__main__":
    unittest.main()
