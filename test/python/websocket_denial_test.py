"""Which requests are WebSockets, and how an ASGI application refuses one."""

import asyncio
import os
import socket
import sys
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import layout, log  # noqa: E402
from mod_passenger.asgi import HttpRequest  # noqa: E402
from mod_passenger.channels import Channel  # noqa: E402
from mod_passenger.websocket import WebSocketRequest, is_upgrade  # noqa: E402

try:
    import wsproto
except ImportError:
    wsproto = None

ENVIRONMENT = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/", "REQUEST_URI": "/",
               "HTTP_HOST": "localhost", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "keep-alive, Upgrade",
               "HTTP_SEC_WEBSOCKET_VERSION": "13", "HTTP_SEC_WEBSOCKET_KEY": "AAAAAAAAAAAAAAAAAAAAAA=="}
START = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Bearer")]}


def body(text, more=False):
    return {"type": "websocket.http.response.body", "body": text, "more_body": more}


class IsUpgradeTest(unittest.TestCase):
    def test_a_websocket_has_the_option_upgrade_in_its_connection_field(self):
        for connection, wanted in (("upgrade", True), ("keep-alive ,\tUPGRADE", True), ("close", False),
                                   ("upgraded", False), ("", False)):
            self.assertEqual(wanted, is_upgrade({**ENVIRONMENT, "HTTP_CONNECTION": connection}), connection)
        self.assertFalse(is_upgrade({name: ENVIRONMENT[name] for name in ENVIRONMENT if name != "HTTP_CONNECTION"}))


@unittest.skipUnless(wsproto, "the Python of this machine has no wsproto")
class WebSocketDenialTest(unittest.TestCase):
    def answer(self, application):
        """Type, status and payload of the messages."""
        messages = []

        async def run():
            child, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            channel = Channel(1, other.detach())
            request = WebSocketRequest(HttpRequest(asyncio.get_running_loop(), channel, 7, 0, 0))
            try:
                await asyncio.wait_for(request.run(application, ENVIRONMENT, False, None), 60)
                self.assertTrue(request.finished)
                self.assertFalse(request.accepted)
            finally:
                request.close()
                channel.close()
            while True:
                message = child.recv(layout.MESSAGE_LIMIT)
                if not message:
                    break
                _, kind, _, status, head_length = layout.REPLY.unpack_from(message)[:5]
                messages.append((kind, status, message[layout.REPLY.size :][head_length:]))
                self.head = message[layout.REPLY.size :][:head_length] or self.head
            child.close()

        self.head = b""
        self.lines = []
        with mock.patch.object(log, "write", self.lines.append):
            asyncio.run(run())
        return messages

    def test_an_application_refuses_a_connection_by_an_answer(self):
        async def application(scope, receive, send):
            self.assertEqual({}, scope["extensions"]["websocket.http.response"])
            await receive()
            await send(START)
            await send(body(b"log ", True))
            await send(body(b"in"))
            self.assertEqual("websocket.disconnect", (await receive())["type"])

        self.assertEqual([(layout.RESPONSE, 401, b"log "), (layout.DATA, 0, b"in")], self.answer(application))
        self.assertEqual(b"www-authenticate: Bearer\r\n", self.head)
        self.assertEqual([], self.lines)

    def test_an_answer_that_breaks_off_does_not_look_whole(self):
        async def application(_scope, receive, send):
            await receive()
            await send(START)
            await send(body(b"log ", True))
            raise ValueError("no more")

        self.assertEqual([layout.RESPONSE, layout.ABORTED], [kind for kind, _, _ in self.answer(application)])
        self.assertIn('event=request.failed method="GET" path="/" exception="ValueError"', self.lines[0])

    def test_a_close_before_the_accept_is_forbidden(self):
        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.close"})

        self.assertEqual([(layout.RESPONSE, 403, b"Forbidden")], self.answer(application))


if __name__ == "__main__":
    unittest.main()
