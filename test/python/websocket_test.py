"""A WebSocket of an ASGI application, with the client's own socket."""

import asyncio
import os
import socket
import sys
import unittest
from array import array

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import client_writer  # noqa: E402
from mod_passenger.websocket import WebSocketRequest  # noqa: E402

try:
    import wsproto
except ImportError:
    wsproto = None

ENVIRONMENT = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/", "REQUEST_URI": "/",
               "HTTP_HOST": "localhost", "HTTP_UPGRADE": "websocket", "HTTP_SEC_WEBSOCKET_VERSION": "13",
               "HTTP_SEC_WEBSOCKET_KEY": "AAAAAAAAAAAAAAAAAAAAAA=="}
# Masked with zeros: 1000, the normal closure.
CLOSE = bytes([0x88, 0x82, 0, 0, 0, 0, 3, 232])
CLOSE_REPLY = bytes([0x88, 2, 3, 232])


class Request:
    """Plays the request that the child has sent. The child gives the client's own socket away."""

    finished = skipped = False
    transferable = True

    def __init__(self, loop, client):
        self.loop = loop
        self._client = client

    async def hand_over(self, descriptor, _status, _head):
        with self._client, socket.socket(fileno=os.dup(descriptor)) as stream:
            stream.sendmsg([b"C"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [self._client.fileno()]))])

    async def left(self):
        await asyncio.Event().wait()

    def close(self):
        pass


@unittest.skipUnless(wsproto, "the Python of this machine has no wsproto")
class WebSocketTest(unittest.TestCase):
    def setUp(self):
        self.limits = client_writer._TAKES_WITHIN, client_writer._LOOK_INTERVAL

    def tearDown(self):
        client_writer._TAKES_WITHIN, client_writer._LOOK_INTERVAL = self.limits

    def converse(self, application, talk):
        async def run():
            loop = asyncio.get_running_loop()
            with socket.create_server(("127.0.0.1", 0)) as server:
                client = socket.create_connection(server.getsockname())
                accepted = server.accept()[0]
            client.setblocking(False)
            request = WebSocketRequest(Request(loop, accepted))
            with client:
                await asyncio.wait_for(request.run(application, ENVIRONMENT, False, None), 60)
                await asyncio.wait_for(asyncio.gather(request.converse(), talk(loop, client)), 60)

        asyncio.run(run())

    def assert_ends(self, sent, received):
        """The client sends this, or only shuts its side down."""
        ended = []

        async def application(_scope, receive, send):
            ended.append(asyncio.Event())
            await receive()
            await send({"type": "websocket.accept"})
            await ended[0].wait()
            with self.assertRaises(OSError):
                await send({"type": "websocket.send", "text": "late"})

        async def talk(loop, client):
            await loop.sock_sendall(client, sent)
            if not sent:
                client.shutdown(socket.SHUT_WR)
            for expected in received:
                self.assertEqual(expected, await loop.sock_recv(client, 100))
            ended[0].set()

        self.converse(application, talk)

    def test_the_connection_ends_with_its_client_though_the_application_goes_on(self):
        for sent, reply in (CLOSE, [CLOSE_REPLY]), (b"", []):
            with self.subTest(sent=sent):
                self.assert_ends(sent, [*reply, b""])

    def test_a_client_that_takes_nothing_for_long_is_cut(self):
        client_writer._TAKES_WITHIN, client_writer._LOOK_INTERVAL = 0.3, 0.05

        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            with self.assertRaises(OSError):
                while True:
                    await send({"type": "websocket.send", "bytes": b"x" * 100_000})
            self.cut = True

        async def talk(_loop, _client):
            pass

        self.converse(application, talk)
        self.assertTrue(self.cut)


if __name__ == "__main__":
    unittest.main()
