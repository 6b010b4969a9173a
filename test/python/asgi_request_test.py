"""One exchange of an ASGI application, with a child that this test plays."""

import asyncio
import os
import socket
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import asgi, layout, log  # noqa: E402
from mod_passenger.asgi import HttpRequest  # noqa: E402
from mod_passenger.body import BodySource  # noqa: E402
from mod_passenger.channels import Channel, ClientGone  # noqa: E402

ENVIRONMENT = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/"}
DISCONNECT = {"type": "http.disconnect"}
START = {"type": "http.response.start", "status": 200, "headers": []}


def body(text=b"", more=True):
    return {"type": "http.response.body", "body": text, "more_body": more}


class AsgiRequestTest(unittest.TestCase):
    head_request = False

    def setUp(self):
        self.addCleanup(setattr, log, "write", log.write)
        self.lines = []
        log.write = self.lines.append

    def answer(self, application, **more):
        """Types of the messages, and the body. `more`: variables of a request with a body."""
        async def run():
            self.child, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.channel = channel = Channel(1, other.detach())
            self.child.setblocking(False)
            request = HttpRequest(asyncio.get_running_loop(), channel, 7, 0, 0)
            self.messages = []
            try:
                if more:
                    await request.take_body(BodySource(channel, 7, 7), 0, False)
                await asyncio.wait_for(request.run(application, {**ENVIRONMENT, **more}, self.head_request, None), 60)
                self.read_all()
            finally:
                request.close()
                self.child.close()
                channel.close()

        asyncio.run(run())
        return [kind for kind, _, _ in self.messages], b"".join(data for _, _, data in self.messages)

    def read_all(self):
        """The child reads what was sent so far."""
        while True:
            try:
                message = self.child.recv(layout.MESSAGE_LIMIT)
            except BlockingIOError:
                return
            if not message:
                return
            kind, flags = layout.REPLY.unpack_from(message)[1:3]
            self.messages.append((kind, flags, message[layout.REPLY.size :]))

    def fill_channel(self):
        while self.channel.send_now(6, layout.INTERIM, 0):
            pass

    async def cut(self, sending):
        """Cancels a task that waits, since the child does not read."""
        task = asyncio.ensure_future(sending)
        for _ in range(10):
            await asyncio.sleep(0)
        self.assertFalse(task.done())
        task.cancel()
        await asyncio.wait({task})
        self.assertTrue(task.cancelled())

    def test_an_answer_with_a_gap_does_not_look_whole(self):
        async def application(_scope, _receive, send):
            await send(START)
            await send(body(b"a"))
            await self.cut(send(body(b"b" * 10_000_000)))
            self.read_all()
            await send(body(b"c", False))

        kinds, data = self.answer(application)
        self.assertEqual(layout.ABORTED, kinds[-1])
        self.assertEqual(layout.LAST, self.messages[-1][1])
        self.assertIn(b"ab", data)

    def test_a_gap_behind_the_head_counts_too(self):
        async def application(_scope, _receive, send):
            await send(START)
            await self.cut(send(body(b"b" * 10_000_000)))
            self.read_all()
            await send(body(b"c", False))

        self.assertEqual(layout.ABORTED, self.answer(application)[0][-1])

    def test_a_message_of_which_nothing_was_sent_leaves_no_gap(self):
        async def application(_scope, _receive, send):
            self.fill_channel()
            await send(START)
            await self.cut(send(body(b"a")))
            self.read_all()
            self.messages.clear()
            await send(body(b"b", True))
            self.fill_channel()
            await self.cut(send(body(b"c")))
            self.read_all()
            await send(body(b"d", False))

        kinds, data = self.answer(application)
        self.assertEqual([layout.RESPONSE, layout.DATA], [kind for kind in kinds if kind != layout.INTERIM])
        self.assertEqual(b"bd", data)

    def test_bodies_of_several_tasks_do_not_mix(self):
        async def application(_scope, _receive, send):
            await send(START)
            self.fill_channel()
            tasks = [asyncio.ensure_future(send(body(one * 200_000))) for one in (b"a", b"b")]
            while not all(task.done() for task in tasks):
                await asyncio.sleep(0)
                self.read_all()
            await send(body(b"", False))

        self.assertEqual(b"a" * 200_000 + b"b" * 200_000, self.answer(application)[1])

    def asked_late(self, application):
        """The body that an application sends to a client that waits to be asked for its own body.
        The child does not ask it once the answer has begun."""
        for name, value in (("_LOOK", 0.02), ("_SILENT_LOOKS", 20)):
            self.addCleanup(setattr, asgi, name, getattr(asgi, name))
            setattr(asgi, name, value)

        async def run(_scope, receive, send):
            await send(START)
            await send(body(b"a"))
            self.child.shutdown(socket.SHUT_WR)
            await application(receive, send)

        return self.answer(run, HTTP_EXPECT="100-continue", CONTENT_LENGTH="10")[1]

    def test_a_client_that_is_not_asked_for_its_body_is_there(self):
        async def application(receive, send):
            listening = asyncio.ensure_future(receive())
            for _ in range(10):
                await asyncio.sleep(3 * asgi._LOOK)
                await send(body(b"b"))
            self.assertFalse(listening.done())
            await send(body(b"", False))
            self.assertEqual(DISCONNECT, await listening)

        self.assertEqual(b"a" + b"b" * 10, self.asked_late(application))
        self.assertEqual(layout.DATA, self.messages[-1][0])
        self.assertEqual([], self.lines)

    def test_the_leaving_of_a_client_that_is_not_asked_for_its_body_is_told(self):
        async def application(receive, _send):
            self.child.shutdown(socket.SHUT_RDWR)
            # As a look that waits for nothing.
            with self.assertRaises(StopIteration) as end:
                receive().send(None)
            self.assertEqual(DISCONNECT, end.exception.value)

        self.asked_late(application)
        self.assertEqual([], self.lines)

    def test_an_application_that_waits_for_a_body_of_which_none_comes_is_told(self):
        async def application(receive, _send):
            self.assertEqual(DISCONNECT, await receive())

        self.asked_late(application)
        self.assertEqual(layout.ABORTED, self.messages[-1][0])
        # Its client is there.
        self.assertIn("the application did not finish its answer", "".join(self.lines))

    def test_a_look_for_the_client_ends_at_once(self):
        async def application(receive, send):
            for _ in range(2):
                listening = asyncio.ensure_future(receive())
                await asyncio.sleep(0)
                listening.cancel()
                await asyncio.wait({listening})
                self.assertTrue(listening.cancelled())
            await send(body(b"b", False))

        self.assertEqual(b"ab", self.asked_late(application))
        self.assertEqual([], self.lines)

    def test_what_an_application_changes_in_its_scope_is_not_the_next_requests(self):
        versions = []

        async def application(scope, _receive, send):
            versions.append(scope["asgi"]["spec_version"])
            scope["asgi"]["spec_version"] = "changed"
            await send(START)
            await send(body(b"", False))

        self.answer(application)
        self.answer(application)
        self.assertEqual(["2.3", "2.3"], versions)

    def dropped(self, count):
        """Sends the head for HEAD and so many further parts of a body, as Starlette's
        StreamingResponse. Returns the number of parts that were sent before the disconnect."""
        self.head_request = True
        sent = []

        async def application(_scope, receive, send):
            async def stream():
                await send(START)
                for number in range(count):
                    await send(body(b"a"))
                    sent.append(number)
                    await asyncio.sleep(0)
                await send(body(b"", False))

            await receive()
            streaming = asyncio.ensure_future(stream())
            self.assertEqual(DISCONNECT, await receive())
            streaming.cancel()

        self.assertEqual(([layout.RESPONSE], b""), self.answer(application))
        self.assertEqual([], self.lines)
        return len(sent)

    def test_a_body_that_goes_nowhere_is_not_broken_off(self):
        self.assertEqual(100, self.dropped(100))

    def test_an_endless_body_that_goes_nowhere_is_broken_off(self):
        self.addCleanup(setattr, asgi, "_DROPS_FOR", asgi._DROPS_FOR)
        asgi._DROPS_FOR = 0.05
        self.assertLess(self.dropped(10 ** 9), 10 ** 9)

    def test_an_application_that_only_asks_learns_that_its_body_goes_nowhere(self):
        self.head_request = True
        self.addCleanup(setattr, asgi, "_DROPS_FOR", asgi._DROPS_FOR)
        asgi._DROPS_FOR = 0.05

        learned = []

        # As Starlette's is_disconnected(): what would have to wait counts as no.
        async def asks(receive):
            asking = receive()
            try:
                asking.send(None)
            except StopIteration as end:
                return end.value == DISCONNECT
            asking.close()
            return False

        async def application(_scope, receive, send):
            await send(START)
            await receive()
            while not await asks(receive):
                await send(body(b"a"))
                await asyncio.sleep(0.01)
            learned.append(True)

        self.assertEqual(([layout.RESPONSE], b""), self.answer(application))
        self.assertEqual([True], learned)

    def leaves_and_then(self, error=None, message=None):
        """The log after a request whose client leaves, and whose application then does this."""
        async def application(_scope, receive, send):
            await receive()
            await send(START)
            await send(body(b"a"))
            self.child.close()
            if message is None:
                while (await receive())["type"] != "http.disconnect":
                    pass
            else:
                try:
                    while True:
                        await send(message)
                except OSError:
                    if error is not None:
                        raise error
                    raise
            if error is not None:
                raise error

        self.child_leaves(application)
        return "".join(self.lines)

    def child_leaves(self, application):
        self.read_all = lambda: None
        self.answer(application)

    def test_an_error_after_the_clients_leaving_is_the_applications(self):
        self.assertRegex(self.leaves_and_then(ValueError("after")), 'event=request.failed .*exception="ValueError"')

    def test_errors_that_come_of_the_clients_leaving_are_not_logged(self):
        class ClientDisconnect(Exception):
            pass

        class Group(Exception):
            def __init__(self, *exceptions):
                super().__init__()
                self.exceptions = exceptions

        cause = BrokenPipeError()
        cause.__cause__ = ClientGone()
        for error, message in ((None, None), (asyncio.CancelledError(), None), (None, body(b"b")),
                               (ClientDisconnect(), body(b"b")), (Group(ClientGone(), Group(cause)), None)):
            with self.subTest(error=error, message=message):
                self.assertEqual("", self.leaves_and_then(error, message))

    def test_a_group_with_an_error_of_the_application_is_logged(self):
        group = ValueError("group")
        group.exceptions = (ClientGone(), KeyError("own"))
        self.assertIn("event=request.failed", self.leaves_and_then(group))


if __name__ == "__main__":
    unittest.main()
