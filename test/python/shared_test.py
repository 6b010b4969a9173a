"""What is closed and named before a preloader forks."""

import asyncio
import os
import socket
import sys
import threading
import types
import unittest
import warnings
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import async_service, import_loop, log, shared  # noqa: E402


class Engine:
    def __init__(self, pool, dialect="postgresql", url="postgresql://db/shop"):
        self.pool = type(pool, (), {})()
        self.dialect = types.SimpleNamespace(name=dialect)
        self.url = url
        self.disposed = 0

    def dispose(self):
        self.disposed += 1


class Proxy:
    @property
    def __class__(self):
        raise RuntimeError("working outside of request context")


class SharedTest(unittest.TestCase):
    def setUp(self):
        self.lines = []
        patch = mock.patch.object(log, "write", self.lines.append)
        patch.start()
        self.addCleanup(patch.stop)

    def test_engines_of_sqlalchemy_are_disposed_but_those_in_memory(self):
        engines = [Engine(pool) for pool in ("QueuePool", "NullPool", "StaticPool", "SingletonThreadPool")]
        engines.append(Engine("QueuePool", "sqlite", "sqlite:///file::memory:?cache=shared&uri=true"))
        engines.append(Engine("QueuePool", "sqlite", "sqlite:////srv/shop.db"))
        proxy = Proxy()
        with mock.patch.dict(sys.modules, {"sqlalchemy.engine": types.SimpleNamespace(Engine=Engine)}):
            shared.close_databases()
        self.assertEqual([1, 1, 0, 0, 0, 1], [engine.disposed for engine in engines])
        self.assertIsNotNone(proxy)

    def test_engines_that_fail_are_logged_and_the_others_are_disposed(self):
        engines = [Engine("QueuePool") for _ in range(3)]
        engines[0].dispose = mock.Mock(side_effect=OSError("gone"))
        with mock.patch.dict(sys.modules, {"sqlalchemy.engine": types.SimpleNamespace(Engine=Engine)}):
            shared.close_databases()
        self.assertIn('event=preloader.disconnect_failed exception="OSError" message="gone"', self.lines[0])
        self.assertEqual([1, 1], [engine.disposed for engine in engines[1:]])

    def test_connections_and_threads_are_named(self):
        end = threading.Event()
        thread = threading.Thread(target=end.wait, name="Scheduler")
        thread.start()
        unix = socket.socket(socket.AF_UNIX)
        with socket.create_server(("127.0.0.1", 0)) as server, unix, socket.socket(socket.AF_UNIX) as other:
            with socket.create_connection(server.getsockname()):
                unix.bind("\0passenger-test-%d" % os.getpid())
                unix.listen()
                other.connect(unix.getsockname())
                shared.tell()
            end.set()
            thread.join()
            name = "127.0.0.1:%d" % server.getsockname()[1]
        self.assertEqual(1, len(self.lines))
        self.assertIn('event=preloader.shared what="thread Scheduler, ', self.lines[0])
        self.assertIn("connection to %s" % name, self.lines[0])
        self.assertIn("connection to @passenger-test-%d" % os.getpid(), self.lines[0])

    def test_tasks_that_no_instance_runs_are_named(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self.addCleanup(asyncio.set_event_loop, None)
        self.addCleanup(loop.close)
        shared.tell()
        self.assertEqual([], self.lines)
        task = loop.create_task(asyncio.sleep(0))
        shared.tell()
        loop.run_until_complete(task)
        shared.tell()
        self.assertEqual(1, len(self.lines))
        self.assertIn('what="event loop with 1 task"', self.lines[0])

    def test_a_loop_that_a_thread_runs_is_none_for_the_instance(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self.addCleanup(asyncio.set_event_loop, None)
        self.addCleanup(loop.close)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        task = asyncio.run_coroutine_threadsafe(asyncio.sleep(60), loop)
        try:
            self.assertEqual((None, 0), import_loop.waiting())
        finally:
            loop.call_soon_threadsafe(task.cancel)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def test_a_fork_has_no_event_loop_of_the_import(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self.addCleanup(asyncio.set_event_loop, None)
        self.addCleanup(loop.close)
        pid = os.fork()
        if pid == 0:
            import_loop.forget()
            os._exit(import_loop._current(asyncio) is not None)
        self.assertEqual(0, os.waitpid(pid, 0)[1])
        self.assertIs(loop, import_loop._current(asyncio))

    def test_an_instance_takes_uvloop_without_a_warning_unless_a_policy_is_chosen(self):
        class Policy:
            """A library's."""

        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        asyncio.set_event_loop(loop)
        self.addCleanup(asyncio.set_event_loop, None)
        # Python made it now at the latest.
        default = asyncio.events._event_loop_policy
        uvloop = types.SimpleNamespace(new_event_loop=lambda: "uvloop")
        with mock.patch.dict(sys.modules, uvloop=uvloop), warnings.catch_warnings():
            warnings.simplefilter("error")
            for policy in None, default:
                with mock.patch.object(asyncio.events, "_event_loop_policy", policy):
                    self.assertEqual("uvloop", async_service._new_loop())
            chosen = mock.patch.object(asyncio.events, "_event_loop_policy", Policy())
            with chosen, mock.patch.object(asyncio, "new_event_loop", lambda: "asyncio"):
                self.assertEqual("asyncio", async_service._new_loop())

    def test_peers_of_every_kind_have_a_text(self):
        peers = {("::1", 80, 0, 0): "[::1]:80", (2, 1024): "2:1024", (7,): "7:", b"\0name": "@name"}
        for peer, text in peers.items():
            self.assertEqual(text, shared._text_of(peer))

    def test_an_ordinary_application_shares_nothing(self):
        pair = socket.socketpair()
        with pair[0], pair[1], socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM):
            shared.tell()
        self.assertEqual([], self.lines)


if __name__ == "__main__":
    unittest.main()
