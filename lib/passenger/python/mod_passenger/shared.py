"""Finds the connections that the application has opened while it was loaded: all instances that a
preloader forks would share them. Threads and tasks of the event loop exist in no instance."""

import gc
import os
import socket
import sys
import threading

from . import import_loop, log, threads

# Pools of databases in memory, which have no other connection.
_IN_MEMORY = ("SingletonThreadPool", "StaticPool")
# In one line of the log.
_MOST = 8


def close_databases():
    """The connections of Django and of SQLAlchemy that no code uses now."""
    _attempt(_close_django)
    for engine in _engines():
        _attempt(engine.dispose)


def tell():
    """Logs the connections, threads and tasks that are left."""
    main = threading.main_thread()
    found = ["thread %s" % one.name for one in threading.enumerate() if one is not main]
    _, tasks = import_loop.waiting()
    if tasks:
        found.append("event loop with %d task%s" % (tasks, "s" * (tasks > 1)))
    found += ["connection to %s" % peer for peer in _peers()]
    if found:
        more = ["%d more" % (len(found) - _MOST)] if len(found) > _MOST else []
        log.event("preloader.shared", what=", ".join(found[:_MOST] + more),
                  remedy="PassengerSpawnMethod direct, or passenger.hooks.starting_worker_process")


def _attempt(close):
    try:
        close()
    except Exception as error:
        log.exception("preloader.disconnect_failed", error)


def _close_django():
    database = sys.modules.get("django.db")
    if database is not None:
        database.connections.close_all()


def _engines():
    engine = getattr(sys.modules.get("sqlalchemy.engine"), "Engine", None)
    if engine is None:
        return []
    # isinstance() would ask the proxies of Werkzeug and Django, which may raise.
    return [one for one in gc.get_objects() if issubclass(type(one), engine) and not _is_in_memory(one)]


def _is_in_memory(engine):
    """Its database ends with its last connection. SQLite's shared ones have an ordinary pool."""
    return (type(engine.pool).__name__ in _IN_MEMORY
            or engine.dialect.name == "sqlite" and "memory" in str(engine.url))


def _peers():
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        # There is no descriptor for it. The start does not fail for a line of the log.
        return
    for name in names:
        try:
            if not os.readlink("/proc/self/fd/" + name).startswith("socket:"):
                continue
            with threads.socket_of(os.dup(int(name))) as copy:
                peer = copy.getpeername() if copy.type == socket.SOCK_STREAM else None
        except OSError:
            # The socket is not connected, or closed by now.
            continue
        # The ends of a pair have no name.
        if peer:
            yield _text_of(peer)


def _text_of(peer):
    if isinstance(peer, tuple):
        # The addresses of AF_VSOCK are numbers.
        return ("[%s]:%s" if ":" in str(peer[0]) else "%s:%s") % (*peer, "")[:2]
    return os.fsdecode(peer).replace("\0", "@")
