"""Threads, locks and sockets of the system, whatever the application has put in their place.

Libraries such as gevent replace Python's own, and theirs must not wait on descriptors that other
processes share. So this module keeps the originals: the package is imported before the application.
"""

import socket
import sys
import threading
from _thread import allocate_lock, get_ident, start_new_thread
from time import monotonic

_Socket = socket.socket

__all__ = ["Condition", "Gate", "allocate_lock", "become_main", "get_ident", "monotonic", "names", "socket_of", "start"]

# The names of our threads, by their identifiers.
names = {}


def start(name, function):
    """Starts a thread with a name for backtraces, and waits until it runs. The function handles its
    own errors.

    CPython frees the states of all other threads at its end. A thread that takes its state up only
    then crashes the process (thread_run() of Modules/_threadmodule.c)."""
    runs = allocate_lock()
    runs.acquire()

    def run():
        runs.release()
        identifier = get_ident()
        names[identifier] = name
        try:
            thread = threading.current_thread()
            thread.name = name
            # The application's threads inherit it. Python waits at its end for those that are no
            # daemons, but not for a thread that it has not started.
            thread._daemonic = False
            function()
        finally:
            names.pop(identifier, None)

    start_new_thread(run, ())
    runs.acquire()


def become_main():
    """In a process that a thread of start() has forked. Python has made that thread the main
    thread, without the lock that the process's end needs. Python 3.13 does this itself."""
    main = threading.main_thread()
    if sys.version_info < (3, 13) and isinstance(main, threading._DummyThread):
        main.__class__ = threading._MainThread
        main._set_tstate_lock()


def socket_of(descriptor):
    """Returns a socket that owns the descriptor, and leaves its flags alone.

    A default timeout of the application would make it non-blocking for all processes that share
    it."""
    timeout = socket.getdefaulttimeout()
    if timeout is None:
        return _Socket(fileno=descriptor)
    socket.setdefaulttimeout(None)
    try:
        return _Socket(fileno=descriptor)
    finally:
        socket.setdefaulttimeout(timeout)


class Gate:
    """Threads wait here until it is opened, once."""

    def __init__(self):
        self._lock = allocate_lock()
        self._lock.acquire()

    def wait(self):
        with self._lock:
            pass

    def open(self):
        self._lock.release()


class Condition:
    """A lock, and threads that wait until its state changes. Used as `with condition:`."""

    def __init__(self):
        self._lock = allocate_lock()
        self._waiting = []

    def __enter__(self):
        self._lock.acquire()
        return self

    def __exit__(self, *_):
        self._lock.release()

    def wait(self, seconds=None):
        """Waits for notify_all(), without the lock meanwhile. Seconds: at most so long; None:
        without a limit."""
        waiter = allocate_lock()
        waiter.acquire()
        self._waiting.append(waiter)
        self._lock.release()
        try:
            if seconds is None:
                waiter.acquire()
            elif seconds > 0:
                waiter.acquire(True, min(seconds, threading.TIMEOUT_MAX))
        finally:
            self._lock.acquire()
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def notify_all(self):
        """Wakes all that wait. The caller has the lock."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.release()


def thread_title(identifier):
    """The name of a thread of this process, for people."""
    if identifier == threading.main_thread().ident:
        return "main"
    known = names.get(identifier)
    if known:
        return known
    thread = getattr(threading, "_active", {}).get(identifier)
    return thread.name if thread else "unnamed"


def stack_of_threads():
    """Pairs of identifier and frame. The main thread comes last."""
    main = threading.main_thread().ident
    return sorted(sys._current_frames().items(), key=lambda item: item[0] == main)
