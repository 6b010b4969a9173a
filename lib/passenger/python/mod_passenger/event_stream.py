"""An answer of the type text/event-stream may go on for as long as its client listens. It gets the
client's own socket: it holds no thread of httpd, and no place of the instance."""

import asyncio
import errno
import re
import socket

from . import layout
from .channels import ClientGone
from .client_writer import ClientWriter
from .transfer import has_room, stream_pair, transferred

_TYPE = re.compile(rb"^content-type:[ \t]*text/event-stream[ \t]*[;\r]", re.IGNORECASE | re.MULTILINE)
_LENGTH_OR_CODING = re.compile(rb"^content-(length|encoding):", re.IGNORECASE | re.MULTILINE)
_FRAMING = b"Transfer-Encoding: chunked\r\n"
_END = b"0\r\n\r\n"
# Bytes of the answer's first turn.
_MOST_AT_FIRST = 65536
# Bytes of the client.
_MOST_DROPPED = 65536


def is_event_stream(status, head):
    """Whether an answer with these header lines, which goes on, is for this way."""
    return (status == 200 and len(head) + len(_FRAMING) <= layout.PAYLOAD_LIMIT and _TYPE.search(head)
            and not _LENGTH_OR_CODING.search(head))


class EventStream(asyncio.Protocol):
    """The rest of an answer, from the first bytes of its body on. An answer that ends in the same
    turn of the loop stays with httpd."""

    def __init__(self, request, head, first):
        self._request = request
        self._loop = request.loop
        self._head = head
        self._first = bytearray(first)
        # The socket is asked for.
        self._begun = False
        # The application has sent the end of its answer.
        self._ended = False
        self._transport = self._writer = None
        self._dropped = 0
        self._room = asyncio.Event()
        self._room.set()
        self._closed = self._loop.create_future()
        self._opening = self._loop.create_task(self._open())

    async def take(self, body, last):
        """Takes a part of the body. False: the answer goes the usual way. Raises ClientGone."""
        if not self._begun and last:
            self._opening.cancel()
            await self._answer_usually(body, True)
            return True
        if not self._begun and len(self._first) + len(body) <= _MOST_AT_FIRST:
            self._first += body
            return True
        await asyncio.shield(self._opening)
        if self._transport is None:
            return False
        if self._ended:
            # After the end messages have no effect.
            return True
        self._write(body)
        if last:
            self._ended = True
            self._writer.write(_END)
            self._writer.end()
        else:
            await self._room.wait()
            self._check_open()
        return True

    async def end(self):
        """The application has returned. Waits until the client has everything. Raises ClientGone,
        RuntimeError."""
        if self._begun:
            await asyncio.shield(self._opening)
        if not self._begun:
            self._withdraw()
        elif self._transport is not None and not self._ended:
            self._check_open()
            raise RuntimeError("the application did not finish its answer")
        elif self._transport is not None:
            await self._closed

    async def abort(self):
        """The application has failed: an answer without an end must not look whole."""
        if not self._begun:
            self._withdraw()
            return
        await asyncio.wait({self._opening})
        # Otherwise the loop logs it.
        self._opening.exception()
        if self._transport is not None:
            if not self._ended:
                self._transport.abort()
            await self._closed

    async def closed(self):
        """Waits for the connection's end. Does not suspend after it: Starlette asks for news in a
        scope that it has cancelled already."""
        if not self._opening.done():
            await asyncio.wait({self._opening})
        await asyncio.shield(self._closed)

    @property
    def ended(self):
        return self._ended

    def connection_made(self, transport):
        self._transport = transport
        self._writer = ClientWriter(self._loop, transport)

    def data_received(self, data):
        """Bytes behind the request are dropped."""
        self._dropped += len(data)
        if self._dropped > _MOST_DROPPED:
            self._transport.abort()

    def eof_received(self):
        if not self._ended:
            self._transport.abort()

    def pause_writing(self):
        self._room.clear()

    def resume_writing(self):
        self._room.set()

    def connection_lost(self, _error):
        self._room.set()
        self._closed.set_result(None)
        self._writer.stop()

    def _withdraw(self):
        self._opening.cancel()
        self._request.stream = None

    async def _answer_usually(self, body, last):
        self._request.stream = None
        await self._request.respond(200, self._head, bytes(self._first) + body, last)

    async def _open(self):
        self._begun = True
        try:
            stream = await self._hand_over()
            if stream is None:
                await self._answer_usually(b"", False)
                return
            client = await transferred(self._loop, stream)
            connect = (self._loop.create_unix_connection if client.family == socket.AF_UNIX
                       else self._loop.create_connection)
            try:
                await connect(lambda: self, sock=client)
            except BaseException:
                client.close()
                raise
            self._write(bytes(self._first))
        except BaseException:
            if self._transport is None:
                self._closed.set_result(None)
            raise
        finally:
            self._first = bytearray()

    async def _hand_over(self):
        """The stream on which the child answers. None: no descriptor can be made, kept or sent."""
        if not has_room():
            return None
        try:
            ours, theirs = stream_pair()
        except OSError:
            return None
        try:
            await self._request.hand_over(theirs.fileno(), 200, self._head + _FRAMING)
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError) and error.errno == errno.ETOOMANYREFS:
                return None
            raise
        finally:
            theirs.close()
        self._request.handed_over(self._request)
        return ours

    def _write(self, body):
        self._check_open()
        if body:
            self._writer.write(b"%x\r\n%b\r\n" % (len(body), body))

    def _check_open(self):
        if self._transport.is_closing():
            raise ClientGone("the client has closed its connection")
