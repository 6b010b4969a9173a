"""The parts of a request that cost most, in C (ext/python).

Native code changes only the speed; Python code does the same work where it was not built or does
not load. One build serves all Python versions from 3.9 on (PEP 384), but no free-threaded Python.
PASSENGER_NATIVE=off turns native code off; any other value names the folder that has `python` below
it."""

import importlib.machinery
import importlib.util
import os
import sys

VERSION = 2
NAME = "passenger_native"
_ENDING = ".abi3.so"


def _folders():
    named = os.environ.get("PASSENGER_NATIVE")
    if named:
        return [named]
    # In a build from a checkout, `native` stands beside the `lib` of the started program. That
    # `lib` may be a link.
    starts = [os.path.dirname(os.path.abspath(sys.argv[0])) if sys.argv[0] else "", os.path.dirname(__file__)]
    return [os.path.join(start, *[".."] * levels, "native") for start, levels in zip(starts, (3, 4))]


def _load():
    # A Python whose objects have another layout, as a free-threaded one, would crash.
    if os.environ.get("PASSENGER_NATIVE") == "off" or _ENDING not in importlib.machinery.EXTENSION_SUFFIXES:
        return None
    for folder in _folders():
        path = os.path.join(os.path.abspath(folder), "python", NAME + _ENDING)
        if os.path.isfile(path):
            try:
                loader = importlib.machinery.ExtensionFileLoader(NAME, path)
                spec = importlib.util.spec_from_file_location(NAME, path, loader=loader)
                module = importlib.util.module_from_spec(spec)
                loader.exec_module(module)
            except ImportError:
                return None
            return module if module.INTERFACE == VERSION else None
    return None


# None: there is no native code.
module = _load()
