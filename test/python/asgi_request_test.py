"""One exchange of an ASGI application, with a child that this test plays."""

import asyncio
import os
import socket
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import layout, log  # noqa: E402
from mod_passenger.asgi import HttpRequest  # noqa: E402
from mod_passenger.channels import Channel, ClientGone  # noqa: E402

ENVIRONMENT = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/"}
START = {"type": "http.response.start", "status": 200, "headers": []}


def body(text=b"", more=True):
    return {"type": "http.response.body", "body": text, "more_body": more}


class AsgiRequestTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(setattr, log, "write", log.write)
        self.lines = []
        log.write = self.lines.append

    def answer(self, application):
        """Types of the messages, and the body."""
        async def run():
            self.child, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.channel = channel = Channel(1, other.detach())
            self.child.setblocking(False)
            request = HttpRequest(asyncio.get_running_loop(), channel, 7, 0, 0)
            self.messages = []
            try:
                await asyncio.wait_for(request.run(application, ENVIRONMENT, False, None), 60)
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
