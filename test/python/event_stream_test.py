"""An event stream of an ASGI application, with a child that this test plays."""

import asyncio
import errno
import os
import socket
import sys
import unittest
from array import array

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import client_writer, frames, layout, log  # noqa: E402
from mod_passenger.asgi import HttpRequest  # noqa: E402
from mod_passenger.channels import Channel, ClientGone  # noqa: E402

TICKET = 7
ENVIRONMENT = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/"}
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


def body(text, more=True):
    return {"type": "http.response.body", "body": text, "more_body": more}


def at_once(coroutine):
    """The result of a coroutine. None: it suspends, so Starlette's cancelled scopes would end
    it."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    finally:
        coroutine.close()


class Child:
    """The httpd child's side of one exchange."""

    def __init__(self):
        self.end, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = Channel(1, other.detach())
        self.end.setblocking(False)
        self.over = []

    def request(self):
        request = HttpRequest(asyncio.get_running_loop(), self.channel, TICKET, 0, 0)
        request.transferable = request.stream_transferable = True
        request.handed_over = self.over.append
        return request

    async def message(self):
        """Type, flags, head and body, and the descriptors."""
        for _ in range(500):
            try:
                message, controls, _, _ = self.end.recvmsg(layout.MESSAGE_LIMIT, 1000)
                break
            except BlockingIOError:
                await asyncio.sleep(0.01)
        fields = layout.REPLY.unpack_from(message)
        return fields[1], fields[2], message[layout.REPLY.size :], frames.descriptors_in(controls)

    async def stream(self):
        """Takes HIJACKED and RESPONSE. Returns the stream on which the instance waits."""
        kind, flags, _, descriptors = await self.message()
        assert (kind, flags) == (layout.HIJACKED, layout.WANTS_CLIENT), (kind, flags)
        kind, flags, head, _ = await self.message()
        assert (kind, flags) == (layout.RESPONSE, layout.LAST), (kind, flags)
        assert b"Transfer-Encoding: chunked\r\n" in head, head
        return socket.socket(fileno=descriptors[0])

    async def give_client(self):
        """Returns the client's side of the connection that the instance gets."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            accepted = server.accept()[0]
        with accepted, await self.stream() as stream:
            stream.sendmsg([b"C"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [accepted.fileno()]))])
        client.setblocking(False)
        return client

    def close(self):
        self.end.close()
        self.channel.close()


class EventStreamTest(unittest.TestCase):
    def setUp(self):
        self.limits = {name: getattr(client_writer, name) for name in (
            "_TAKES_WITHIN", "_LOOK_INTERVAL", "_CLOSES_WITHIN", "_LAST_LOOKS_INTERVAL")}
        self.logged = []
        self.exception, log.exception = log.exception, lambda event, error, **_: self.logged.append(str(error))

    def tearDown(self):
        vars(client_writer).update(self.limits)
        log.exception = self.exception

    def converse(self, application, talk):
        """Runs the application and the other side."""

        async def run():
            child = Child()
            request = child.request()
            task = asyncio.ensure_future(request.run(application, ENVIRONMENT, False, None))
            try:
                await asyncio.wait_for(talk(child, request), 60)
                await asyncio.wait_for(task, 60)
            finally:
                child.close()

        asyncio.run(run())

    async def read(self, client):
        data = bytearray()
        while not data.endswith(b"0\r\n\r\n"):
            piece = await asyncio.get_running_loop().sock_recv(client, 65536)
            if not piece:
                break
            data += piece
        return data

    def test_the_exchange_ends_with_the_head_and_the_answer_goes_on(self):
        async def application(_scope, receive, send):
            await send(START)
            await send(body(b"one"))
            await asyncio.sleep(0)
            await send(body(b"two"))
            await send(body(b""))
            await send(body(b"", False))
            await send(body(b"ignored"))
            self.disconnect = await receive(), await receive()

        async def talk(child, request):
            with await child.give_client() as client:
                self.assertEqual([request], child.over)
                self.assertEqual(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", await self.read(client))

        self.converse(application, talk)
        self.assertEqual(["http.request", "http.disconnect"], [message["type"] for message in self.disconnect])
        self.assertEqual([], self.logged)

    def test_the_child_may_pass_the_bytes_on(self):
        async def application(_scope, _receive, send):
            await send(START)
            await send(body(b"one"))
            await asyncio.sleep(0)
            await send(body(b"", False))

        async def talk(child, _request):
            with await child.stream() as stream:
                stream.send(b"R")
                stream.setblocking(False)
                self.assertEqual(b"3\r\none\r\n0\r\n\r\n", await self.read(stream))

        self.converse(application, talk)

    def test_without_room_for_a_descriptor_the_answer_goes_the_usual_way(self):
        async def application(_scope, _receive, send):
            await send(START)
            await send(body(b"one"))
            await asyncio.sleep(0)
            await send(body(b"two"))
            await send(body(b"", False))

        async def talk(child, request):
            def refuse(*_):
                raise OSError(errno.ETOOMANYREFS, "")

            child.channel.send_stream_now = refuse
            messages = [await child.message() for _ in range(3)]
            self.assertEqual([layout.RESPONSE, layout.DATA, layout.DATA], [message[0] for message in messages])
            self.assertTrue(messages[0][2].endswith(b"\r\none"))
            self.assertNotIn(b"chunked", messages[0][2])
            self.assertEqual([b"two", b""], [message[2] for message in messages[1:]])
            self.assertEqual([], child.over)

        self.converse(application, talk)

    def test_a_child_that_ends_is_a_client_that_has_left(self):
        async def application(_scope, receive, send):
            await send(START)
            await send(body(b"one"))
            await receive()
            self.disconnect = await receive()
            with self.assertRaises(OSError):
                await send(body(b"two"))

        async def talk(child, _request):
            (await child.stream()).close()

        self.converse(application, talk)
        self.assertEqual("http.disconnect", self.disconnect["type"])
        self.assertEqual([], self.logged)

    def test_an_application_that_only_looks_learns_that_its_client_has_left(self):
        async def application(_scope, receive, send):
            await receive()
            await send(START)
            await send(body(b"one"))
            await asyncio.sleep(0)
            self.early = at_once(receive())
            await self.left.wait()
            self.disconnect = at_once(receive())

        async def talk(child, request):
            self.left = asyncio.Event()
            (await child.give_client()).close()
            while not (request.stream and request.stream._closed.done()):
                await asyncio.sleep(0.01)
            self.left.set()

        self.converse(application, talk)
        self.assertIsNone(self.early)
        self.assertEqual({"type": "http.disconnect"}, self.disconnect)

    def test_the_end_reaches_a_client_that_has_sent_more(self):
        async def application(_scope, _receive, send):
            await send(START)
            await send(body(b"one"))
            await asyncio.sleep(0)
            await send(body(b"x" * 2_000_000, False))

        async def talk(child, request):
            with await child.give_client() as client:
                while not (request.stream and request.stream.ended):
                    await asyncio.sleep(0.01)
                client.send(b"more")
                await asyncio.sleep(0.1)
                self.assertTrue((await self.read(client)).endswith(b"x\r\n0\r\n\r\n"))

        self.converse(application, talk)

    def test_a_client_that_keeps_its_side_open_is_closed_soon_after_the_end(self):
        client_writer._CLOSES_WITHIN, client_writer._LAST_LOOKS_INTERVAL = 0.2, 0.05

        async def application(_scope, _receive, send):
            await send(START)
            await send(body(b"one"))
            await asyncio.sleep(0)
            await send(body(b"", False))

        async def talk(child, request):
            with await child.give_client() as client:
                await self.read(client)
                self.assertEqual(b"", await asyncio.get_running_loop().sock_recv(client, 1))
                await request.stream.closed()

        self.converse(application, talk)

    def test_a_client_that_sends_much_is_cut(self):
        async def application(_scope, receive, send):
            await send(START)
            await send(body(b"one"))
            await receive()
            self.disconnect = await receive()

        async def talk(child, _request):
            with await child.give_client() as client:
                with self.assertRaises(ConnectionError):
                    while True:
                        await asyncio.get_running_loop().sock_sendall(client, b"x" * 65536)

        self.converse(application, talk)
        self.assertEqual("http.disconnect", self.disconnect["type"])

    def test_a_client_that_takes_nothing_for_long_is_cut(self):
        client_writer._TAKES_WITHIN, client_writer._LOOK_INTERVAL = 0.3, 0.05

        async def application(_scope, _receive, send):
            await send(START)
            while True:
                await send(body(b"x" * 100_000))

        async def talk(child, request):
            with await child.give_client() as client:
                while not (request.stream and request.stream._closed.done()):
                    await asyncio.sleep(0.05)
                self.assertFalse((await self.read(client)).endswith(b"0\r\n\r\n"))

        self.converse(application, talk)


if __name__ == "__main__":
    unittest.main()
