"""A WebSocket of an ASGI application, with the client's own socket."""

import asyncio
import errno
import os
import socket
import struct
import sys
import unittest
import zlib
from array import array
from contextlib import suppress
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import client_watch, client_writer, log, websocket  # noqa: E402
from mod_passenger.channels import ClientGone  # noqa: E402
from mod_passenger.websocket import WebSocketRequest  # noqa: E402

try:
    import wsproto
except ImportError:
    wsproto = None

ENVIRONMENT = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/", "REQUEST_URI": "/",
               "HTTP_HOST": "localhost", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade",
               "HTTP_SEC_WEBSOCKET_VERSION": "13", "HTTP_SEC_WEBSOCKET_KEY": "AAAAAAAAAAAAAAAAAAAAAA=="}
# Masked with zeros: 1000, the normal closure.
CLOSE = bytes([0x88, 0x82, 0, 0, 0, 0, 3, 232])
CLOSE_REPLY = bytes([0x88, 2, 3, 232])
GO_AWAY = bytes([0x88, 2, 3, 244])
PING = bytes([0x89, 0])
PONG = bytes([0x8A, 0x80, 0, 0, 0, 0])
MESSAGE = bytes([0x82, 0x85, 0, 0, 0, 0]) + b"hello"
TOO_LARGE = bytes([0x88, 2, 3, 241])
COMPRESSED = {**ENVIRONMENT, "HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate"}


def compressed(kind, *messages):
    """Frames of so many messages."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    frames = bytearray()
    for message in messages:
        payload = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        frames += struct.pack(">BBHI", 0xC0 | kind, 0xFE, len(payload), 0) + payload
    return frames


class Request:
    """Plays the request that the child has sent. The child gives the client's own socket away, or
    keeps the stream if the instance does not want that socket."""

    finished = skipped = False
    transferable = True

    def __init__(self, loop, client):
        self.loop = loop
        self._client = client

    async def hand_over(self, descriptor, _status, _head):
        if not self.transferable:
            self._client.close()
            self.stream = socket.socket(fileno=os.dup(descriptor))
            return
        with self._client, socket.socket(fileno=os.dup(descriptor)) as stream:
            stream.sendmsg([b"C"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [self._client.fileno()]))])

    async def left(self):
        await asyncio.Event().wait()

    def close(self):
        pass


class WithoutLibraryTest(unittest.TestCase):
    def test_many_handshakes_leave_few_lines_in_the_log(self):
        request = mock.AsyncMock()
        lines = []

        async def run():
            for _ in range(20):
                await WebSocketRequest(request).run(None, ENVIRONMENT, False, None)

        with mock.patch.dict(sys.modules, wsproto=None), mock.patch.dict(log._complaints, since=-10, left_out=0), \
                mock.patch.object(log, "write", lines.append):
            asyncio.run(run())
        self.assertEqual([mock.call(501, b"Not Implemented")] * 20, request.end_in_error.await_args_list)
        self.assertEqual(10, len(lines), lines)
        self.assertIn("event=websocket.no_library", lines[0])


@unittest.skipUnless(wsproto, "the Python of this machine has no wsproto")
class WebSocketTest(unittest.TestCase):
    def setUp(self):
        self.limits = {name: getattr(client_writer, name) for name in (
            "_TAKES_WITHIN", "_LOOK_INTERVAL", "_CLOSES_WITHIN", "_LAST_LOOKS_INTERVAL")}
        self.patience = websocket._PATIENCE
        self.watch = client_watch._ASKED_AFTER, client_watch._ANSWERS_WITHIN

    def tearDown(self):
        vars(client_writer).update(self.limits)
        websocket._PATIENCE = self.patience
        client_watch._ASKED_AFTER, client_watch._ANSWERS_WITHIN = self.watch

    def converse(self, application, talk, environment=ENVIRONMENT):
        async def run():
            loop = asyncio.get_running_loop()
            with socket.create_server(("127.0.0.1", 0)) as server:
                client = socket.create_connection(server.getsockname())
                accepted = server.accept()[0]
            client.setblocking(False)
            self.request = request = WebSocketRequest(Request(loop, accepted))
            with client:
                await asyncio.wait_for(request.run(application, environment, False, None), 60)
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

    async def read_while_sending(self, loop, client):
        """What the client gets until the other side ends, though it goes on sending for a while."""
        for _ in range(20):
            await loop.sock_sendall(client, MESSAGE)
            await asyncio.sleep(0.01)
        data = bytearray()
        while piece := await loop.sock_recv(client, 65536):
            data += piece
        return data

    def test_the_end_reaches_a_client_that_goes_on_sending(self):
        client_writer._CLOSES_WITHIN = 60

        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "bytes": b"x" * 300_000})

        async def talk(loop, client):
            data = await self.read_while_sending(loop, client)
            client.close()
            self.assertEqual(10 + 300_000 + len(CLOSE_REPLY), len(data))
            self.assertTrue(data.endswith(CLOSE_REPLY))

        self.converse(application, talk)

    def test_the_instances_end_reaches_a_client_that_goes_on_sending(self):
        client_writer._CLOSES_WITHIN = 60

        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass

        async def talk(loop, client):
            await self.request.go_away()
            self.assertEqual(GO_AWAY, await self.read_while_sending(loop, client))
            await loop.sock_sendall(client, CLOSE)

        self.converse(application, talk)

    def test_the_instances_end_waits_for_a_moment_only_for_a_client_that_takes_nothing(self):
        websocket._PATIENCE, client_writer._LAST_LOOKS_INTERVAL = 0.3, 0.05

        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            while not self.request._writer.transport.get_write_buffer_size():
                await send({"type": "websocket.send", "bytes": b"x" * 10_000})
            self.full.set()
            while (await receive())["type"] != "websocket.disconnect":
                pass

        async def talk(_loop, _client):
            await self.full.wait()
            await self.request.go_away()

        async def begin(*parts):
            self.full = asyncio.Event()
            await application(*parts)

        self.converse(begin, talk)

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


    def received_by_an_application_that_listens(self, talk):
        """The types of messages, up to the disconnect with its code."""
        received = []

        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            while not received or received[-1][0] != "websocket.disconnect":
                message = await receive()
                received.append((message["type"], message.get("code")))

        self.converse(application, talk)
        return received

    def test_a_client_that_does_not_answer_a_ping_is_cut(self):
        client_watch._ASKED_AFTER = client_watch._ANSWERS_WITHIN = 0.1

        async def talk(loop, client):
            self.assertEqual(PING, await loop.sock_recv(client, 100))
            with suppress(ConnectionResetError):
                self.assertEqual(b"", await loop.sock_recv(client, 100))

        self.assertEqual([("websocket.disconnect", 1006)], self.received_by_an_application_that_listens(talk))

    def test_a_client_that_answers_pings_stays(self):
        client_watch._ASKED_AFTER, client_watch._ANSWERS_WITHIN = 0.05, 60

        async def talk(loop, client):
            for _ in range(3):
                self.assertEqual(PING, await loop.sock_recv(client, 100))
                await loop.sock_sendall(client, PONG)
            await loop.sock_sendall(client, CLOSE)

        received = self.received_by_an_application_that_listens(talk)
        self.assertEqual([("websocket.disconnect", 1000)], received)

    def test_a_client_whose_socket_takes_too_many_descriptors_stays_with_httpd(self):
        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "hello"})

        async def talk(loop, _client):
            with self.request._request.stream as stream:
                self.assertEqual(b"\x81\5hello", await loop.sock_recv(stream, 7))

        with mock.patch.object(websocket, "has_room", lambda: False):
            self.converse(application, talk)

    def test_a_connection_that_cannot_be_handed_over_is_logged_and_gets_500(self):
        class Full(Request):
            async def hand_over(self, *_):
                raise OSError(errno.ETOOMANYREFS, "Too many references")

            async def end_in_error(self, status, _text):
                self.status = status

        async def application(_scope, receive, send):
            await receive()
            try:
                await send({"type": "websocket.accept"})
            except OSError:
                pass

        async def run():
            request = Full(asyncio.get_running_loop(), None)
            request.left = asyncio.Event().wait
            await asyncio.wait_for(WebSocketRequest(request).run(application, ENVIRONMENT, False, None), 60)
            return request.status

        lines = []
        with mock.patch.object(log, "write", lines.append):
            self.assertEqual(500, asyncio.run(run()))
        self.assertIn("event=connection.not_handed_over", "".join(lines))

    def test_a_malformed_offer_of_an_extension_is_declined(self):
        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "hello"})

        async def talk(loop, client):
            self.assertEqual(b"\x81\5hello", await loop.sock_recv(client, 7))
            client.shutdown(socket.SHUT_WR)

        for bits in "abc", "":
            offer = "permessage-deflate; server_max_window_bits=%s" % bits
            with self.subTest(offer):
                self.converse(application, talk, {**ENVIRONMENT, "HTTP_SEC_WEBSOCKET_EXTENSIONS": offer})

    def test_few_bytes_become_no_more_messages_than_may_wait(self):
        async def application(_scope, receive, send):
            self.done = asyncio.Event()
            await receive()
            await send({"type": "websocket.accept"})
            await self.done.wait()

        async def talk(loop, client):
            await loop.sock_sendall(client, compressed(2, *[bytes(1_000_000)] * 65))
            while self.request._waiting <= websocket._MOST:
                await asyncio.sleep(0.01)
            self.assertLess(self.request._waiting, websocket._MOST + 6_000_000)
            self.done.set()

        self.converse(application, talk, COMPRESSED)

    def test_reads_are_small_only_where_bytes_are_compressed(self):
        sizes = []
        read = asyncio.StreamReader.read

        def noted(reader, size):
            sizes.append(size)
            return read(reader, size)

        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            self.assertEqual(b"hello", (await receive())["bytes"])

        async def talk(loop, client):
            await loop.sock_sendall(client, MESSAGE)
            client.shutdown(socket.SHUT_WR)

        for environment, size in (ENVIRONMENT, 65536), (COMPRESSED, 4096):
            sizes.clear()
            with mock.patch.object(asyncio.StreamReader, "read", noted):
                self.converse(application, talk, environment)
            self.assertEqual(size, sizes[0])

    def test_a_message_that_is_too_large_for_memory_is_refused(self):
        large = {"bytes": (2, bytes(60_000_000)), "text": (1, b"x" * 5_000_000 + "\U0001F600".encode())}
        for name, (kind, message) in large.items():
            with self.subTest(name):
                self.assert_is_refused(compressed(kind, message))
                self.assertLess(self.request._size, websocket._MOST + 6_000_000)

    def assert_is_refused(self, frames):
        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            self.assertEqual(1009, (await receive()).get("code"))

        async def talk(loop, client):
            await loop.sock_sendall(client, frames)
            self.assertEqual(TOO_LARGE, await loop.sock_recv(client, 100))
            client.shutdown(socket.SHUT_WR)

        self.converse(application, talk, COMPRESSED)

    def test_a_send_that_is_cancelled_while_it_waits_loses_no_frame(self):
        from wsproto.connection import Connection, ConnectionType
        from wsproto.events import TextMessage
        from wsproto.extensions import PerMessageDeflate

        texts = ["one " * 10, "two " * 10]

        async def application(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            large = asyncio.ensure_future(send({"type": "websocket.send", "bytes": os.urandom(10_000_000)}))
            await asyncio.sleep(0)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(send({"type": "websocket.send", "text": texts[0]}), 0.01)
            self.reads.set()
            await large
            await send({"type": "websocket.send", "text": texts[1]})

        async def talk(loop, client):
            deflate = PerMessageDeflate()
            deflate.finalize("permessage-deflate")
            connection = Connection(ConnectionType.CLIENT, [deflate])
            await self.reads.wait()
            received = ""
            while data := await loop.sock_recv(client, 65536):
                connection.receive_data(data)
                received += "".join(event.data for event in connection.events() if isinstance(event, TextMessage))
            self.assertEqual("".join(texts), received)

        async def begin(*parts):
            self.reads = asyncio.Event()
            await application(*parts)

        self.converse(begin, talk, COMPRESSED)


if __name__ == "__main__":
    unittest.main()
