"""One request of an ASGI application (https://asgi.readthedocs.io, version 3.0)."""

import asyncio
import os

from . import layout, log
from .asgi_answer import AsgiAnswer
from .body import length_of
from .channels import BodyBrokenOff, ClientGone
from .client_errors import means_client_gone
from .scope import scope_of

_CONTINUE = 100
# Seconds between two looks at an application that has answered before it asked for the body.
_LOOK = 1
# After so many looks without a message of it in between it is told that no body comes.
_SILENT_LOOKS = 60
# Seconds until an application whose body goes nowhere is told that its client has left.
_DROPS_FOR = 10
_ERROR = b"Internal Server Error"


class HttpRequest:
    """One request, from its claim to the last message of its answer."""

    def __init__(self, loop, channel, ticket, queued, sticky_id):
        """`queued`: microseconds from the sending of the request until the instance took it.
        `sticky_id`: this instance's id for sticky sessions, or 0."""
        self.loop = loop
        self.channel = channel
        self.ticket = ticket
        self._queued = queued
        self._sticky_id = sticky_id
        # The head was sent; the last message was sent; the request did not run.
        self.started = self.finished = self.skipped = False
        # The application has called sys.exit().
        self.exits = False
        # The child can give the client's own socket away: for another protocol; for the rest of an
        # answer.
        self.transferable = self.stream_transferable = False
        # The rest of the answer, if it goes to the client's own socket.
        self.stream = None
        # The answer is over, as that to a HEAD request, and the application still sends its body.
        self._drops_until = None
        self._dropped = asyncio.Event()
        # Called with this object when the exchange is over, but the answer goes on.
        self.handed_over = None
        self.takes_trailers = False
        self.rest_of_head = b""
        # The body, as far as it has come.
        self.body = b""
        self._source = None
        self._file = None
        self._missing = None
        self._asks = False
        self._body_given = False
        # A task was cancelled between two parts of a body message, or one could not be sent: the
        # answer must not look whole.
        self._has_gap = False
        # The client has left, or has broken its body off.
        self._gone = False
        # What receive() waits for: news on the channel, or the end of the answer.
        self._reading = None
        # Held while messages are sent that belong together.
        self._writing = asyncio.Lock()
        # The number of messages.
        self._sent = 0

    async def take_body(self, source, rest_of_head, in_file):
        """The body follows on the channel. Waits for the rest of the head, which has so many
        bytes."""
        self._source = source
        pieces = b""
        while len(pieces) < rest_of_head:
            piece = await self._next_piece()
            if not piece:
                raise BodyBrokenOff("the request's head was broken off")
            pieces += piece
        self.rest_of_head, self.body = pieces[:rest_of_head], pieces[rest_of_head:]
        # The message of the file comes first, if the child could send it.
        while in_file and not self.body and source.waits and not source.body_file:
            await self._await_message(True)

    async def run(self, application, environment, head_request, state):
        """Returns after the last message, or when it cannot be sent."""
        length = length_of(environment)
        if self._source and length is not None and not self._file:
            self._missing = length - len(self.body)
        self._asks = "HTTP_EXPECT" in environment
        scope = scope_of(environment, "http", state)
        scope["method"] = environment.get("REQUEST_METHOD", "GET")
        if os.environ.get("PASSENGER_EARLY_HINTS") == "on":
            scope["extensions"]["http.response.early_hint"] = {}
        if self.takes_trailers:
            scope["extensions"]["http.response.trailers"] = {}
        try:
            await application(scope, self.receive, AsgiAnswer(self, head_request).send)
            if self.stream is not None:
                await self.stream.end()
            if not self.finished and self._gone:
                raise ClientGone("the client has left before the end of the answer")
            if not self.finished:
                raise RuntimeError("the application did not finish its answer")
        except GeneratorExit:
            raise
        except BaseException as error:
            if self.stream is not None:
                await self.stream.abort()
            if self._is_the_clients(error):
                # Most often the httpd child is gone. If not, it must not wait for more.
                await self.end_in_error(400, b"Bad Request")
                return
            # An error after the answer, such as in a background task, is the application's.
            self.exits = isinstance(error, SystemExit)
            log.exception("request.failed", error, **log.subject(environment, scope["path"]))
            await self.end_in_error()

    def _is_the_clients(self, error):
        """Whether the client's leaving explains the error: it has broken its body off, or a
        framework ends its tasks, or send() has failed."""
        if self._gone and not isinstance(error, SystemExit):
            if not self._body_given or isinstance(error, asyncio.CancelledError):
                return True
        return means_client_gone(error)

    def close(self):
        """After the request."""
        self._stop_reading()
        if self._file:
            os.close(self._file[0])
            self._file = None

    async def receive(self):
        """The next message for the application."""
        try:
            if not self._body_given and (not self.finished or self.stream is not None):
                return await self._body_message()
            while not self.finished:
                await self._await_message(False)
        except (BodyBrokenOff, ClientGone):
            if self._asks and self.started:
                self._gone = await self._leaves_unasked()
            else:
                self._gone = not self.finished
        if self.finished and self.stream is not None:
            await self.stream.closed()
            self._gone = not self.stream.ended
        elif self.finished and self._drops_until is not None:
            await self._await_dropped()
        return {"type": "http.disconnect"}

    def begin_to_drop(self):
        self._drops_until = self.loop.time() + _DROPS_FOR

    async def drop(self, last):
        """The application has sent a message after the end."""
        if self._drops_until is not None:
            if last:
                self._dropped.set()
            # An endless body must not keep the loop from other requests.
            await asyncio.sleep(0)

    async def left(self):
        """Waits until the client has left: True. False: the answer has ended before."""
        try:
            while not self.finished:
                await self._await_message(False)
        except BodyBrokenOff:
            return True
        return False

    async def skip(self):
        """The request was withdrawn and did not run."""
        self.skipped = self.started = True
        await self.send_message(layout.SKIPPED, layout.LAST)

    async def refuse(self, reason):
        log.complaint("request.malformed", reason=reason)
        await self.end_in_error()

    async def end_in_error(self, status=500, text=_ERROR):
        """Ends an answer that is not finished. If the httpd child is gone, nothing is sent."""
        if self.finished:
            return
        try:
            if self.started:
                await self.send_message(layout.ABORTED, layout.LAST)
            else:
                head = b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(text)
                await self.respond(status, head, text, True)
        except ClientGone:
            pass

    async def respond(self, status, head, body, last):
        """Sends status, header lines and the first bytes of the body."""
        self.started = True
        first = head[: layout.PAYLOAD_LIMIT]
        rest = head[layout.PAYLOAD_LIMIT :] + body
        room = layout.PAYLOAD_LIMIT - len(first)
        ends = last and len(rest) <= room
        begun = False
        try:
            async with self._writing:
                await self._send(layout.RESPONSE, layout.LAST if ends else 0, status, len(head), self._queued,
                                 self._sticky_id, first, rest[:room])
                begun = True
                if not ends and (rest[room:] or last):
                    await self._send_parts(rest[room:], last, True)
        except asyncio.CancelledError:
            self.started = begun
            raise

    async def send_data(self, body, last):
        """Sends more of the body. Bytes of several tasks do not mix."""
        async with self._writing:
            await self._send_parts(body, last, False)

    async def send_message(self, type_, flags, *fields):
        """Waits until the child has room."""
        async with self._writing:
            await self._send(type_, flags, *fields)

    async def _send_parts(self, body, last, begun):
        """`begun`: it is the rest of what the application sends at once."""
        rest = memoryview(body)
        try:
            while len(rest) > layout.PAYLOAD_LIMIT:
                await self._send(layout.DATA, 0, 0, 0, 0, 0, b"", rest[: layout.PAYLOAD_LIMIT])
                rest = rest[layout.PAYLOAD_LIMIT :]
                begun = True
            await self._send(layout.DATA, layout.LAST if last else 0, 0, 0, 0, 0, b"", rest)
        except asyncio.CancelledError:
            self._has_gap = self._has_gap or begun
            raise

    async def _send(self, type_, flags, *fields):
        """With the lock."""
        if flags & layout.LAST:
            # The child may use the channel for another exchange once it has the last message.
            self._stop_reading()
            if self._has_gap:
                type_, fields = layout.ABORTED, ()
        try:
            # Another task may have ended the answer meanwhile.
            while not self.finished and not self.channel.send_now(self.ticket, type_, flags, *fields):
                await self._await_room()
        except OSError:
            self._has_gap = True
            raise
        self._sent += 1
        if flags & layout.LAST:
            self.finished = True
            # A task may have begun to read while this one waited.
            self._stop_reading()

    async def hand_over(self, descriptor, status, head):
        """Takes the client's connection over: the child gets one end of a stream, then this head.
        That ends the request. If the request is transferable, the other end gets the child's
        answer."""
        if len(head) > layout.PAYLOAD_LIMIT:
            raise ValueError("the head has %d bytes, more than %d" % (len(head), layout.PAYLOAD_LIMIT))
        async with self._writing:
            flags = layout.WANTS_CLIENT if self.transferable else 0
            while not self.channel.send_stream_now(self.ticket, flags, self._queued, self._sticky_id, descriptor):
                await self._await_room()
        self.started = True
        await self.send_message(layout.RESPONSE, layout.LAST, status, len(head), self._queued, self._sticky_id, head)

    async def _body_message(self):
        if self.body or self._source is None or self.finished:
            body, self.body = self.body, b""
            self._body_given = self._source is None or self.finished
            return self._message(body)
        if self._file:
            return self._file_message()
        if self._asks and not self.started:
            self._asks = False
            await self.send_message(layout.INTERIM, 0, _CONTINUE)
        piece = await self._next_piece()
        if self._missing is not None:
            self._missing -= len(piece)
        if self._source.ended and self._missing is not None and self._missing > 0:
            raise BodyBrokenOff("the request's body ended %d bytes early" % self._missing)
        self._body_given = self._source.ended
        return self._message(piece)

    def _message(self, body):
        return {"type": "http.request", "body": body, "more_body": not self._body_given}

    def _file_message(self):
        """A piece of the file in which httpd has kept the body. It empties the file when the
        exchange is over."""
        descriptor, size, position = self._file
        body = os.pread(descriptor, layout.PAYLOAD_LIMIT, position)
        if not body and position < size:
            raise BodyBrokenOff("the request's body is gone, since its exchange is over")
        self._file = descriptor, size, position + len(body)
        self._body_given = position + len(body) >= size
        return self._message(body)

    async def _next_piece(self):
        while self._source.waits:
            if self.finished:
                raise BodyBrokenOff("the answer is over")
            received = self.channel.receive_now()
            if received is not None:
                self._take(*received, False)
            else:
                await self._await_news()
        return self._source.taken()

    async def _await_message(self, may_be_file):
        """Waits for a message of the child, and takes it. Returns at the end of the answer, too."""
        while not self.finished:
            received = self.channel.receive_now()
            if received is not None:
                self._take(*received, may_be_file)
                return
            await self._await_news()

    def _take(self, message, descriptors, may_be_file):
        if self._source is None:
            for descriptor in descriptors:
                os.close(descriptor)
            return
        self._source.take(message, descriptors, may_be_file)
        if self._source.body_file:
            self._file = (*self._source.body_file, 0)

    async def _await_news(self):
        """Until the channel is readable, or the answer ends."""
        if self._reading is None:
            self._reading = self.loop.create_future()
            self.loop.add_reader(self.channel.fileno(), self._stop_reading)
        await asyncio.shield(self._reading)

    async def _leaves_unasked(self):
        """The application has answered before it asked for the body, and so the child has none for
        it. Waits until the client leaves: True. False: the answer has ended, or the application has
        said nothing for so long that it may be waiting for the body."""
        sent, looks = self._sent, 0
        while not self.finished and looks < _SILENT_LOOKS:
            if self.channel.hung_up():
                return True
            if self._reading is None:
                self._reading = self.loop.create_future()
            await asyncio.wait({self._reading}, timeout=_LOOK)
            looks = looks + 1 if self._sent == sent and not self._writing.locked() else 0
            sent = self._sent
        return False

    async def _await_dropped(self):
        """Frameworks break a body off at a disconnect, as if its client had left."""
        left = self._drops_until - self.loop.time()
        # An application that only asks, as by Starlette's is_disconnected(), cancels what waits.
        if self._dropped.is_set() or left <= 0:
            return
        try:
            await asyncio.wait_for(self._dropped.wait(), left)
        except asyncio.TimeoutError:
            pass

    def _stop_reading(self):
        if self._reading is not None:
            self.loop.remove_reader(self.channel.fileno())
            reading, self._reading = self._reading, None
            if not reading.done():
                reading.set_result(None)

    async def _await_room(self):
        room = self.loop.create_future()
        self.loop.add_writer(self.channel.fileno(), lambda: room.done() or room.set_result(None))
        try:
            await room
        finally:
            self.loop.remove_writer(self.channel.fileno())
