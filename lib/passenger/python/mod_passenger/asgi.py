"""Calls an ASGI application (https://asgi.readthedocs.io, version 3.0) and sends its answer."""

import asyncio
import copy
import os
from urllib.parse import unquote_to_bytes

from . import layout, log
from .body import length_of
from .channels import BodyBrokenOff, ClientGone
from .event_stream import EventStream, is_event_stream
from .header_lines import header_lines

_CONTINUE = 100
_EARLY_HINTS = 103
_MOST_HINTS = 16
_ERROR = b"Internal Server Error"
_VERSIONS = {"HTTP/1.0": "1.0", "HTTP/2.0": "2"}
_ASGI = {"version": "3.0", "spec_version": "2.4"}
# Names of header fields by the names of variables. The limit is for clients that make names up.
_header_names = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
_NAMES_KEPT = 512


def scope_of(environment, kind, state):
    """The scope of a request or of a WebSocket, from the variables that the httpd child has made.

    The path includes the root path, as the specification demands."""
    headers = []
    for name, value in environment.items():
        known = _header_names.get(name)
        if known is None:
            if not name.startswith("HTTP_") or name == "HTTP_TRANSFER_ENCODING":
                continue
            known = name[5:].replace("_", "-").lower().encode("latin-1")
            if len(_header_names) < _NAMES_KEPT:
                _header_names[name] = known
        headers.append((known, value.encode("latin-1")))
    get = environment.get
    raw_path = (get("SCRIPT_NAME", "") + get("PATH_INFO", "")).encode("latin-1")
    port = get("REMOTE_PORT", "0")
    scope = {
        "type": kind,
        "asgi": _ASGI,
        "http_version": _VERSIONS.get(get("SERVER_PROTOCOL"), "1.1"),
        "scheme": "https" if get("HTTPS") == "on" else "http",
        "path": _text(raw_path),
        "raw_path": raw_path,
        "query_string": get("QUERY_STRING", "").encode("latin-1"),
        "root_path": _text(get("SCRIPT_NAME", "").encode("latin-1")),
        "headers": headers,
        "client": (get("REMOTE_ADDR", ""), int(port) if port.isdigit() else 0),
        "server": (get("SERVER_NAME", ""), int(get("SERVER_PORT", "80"))),
        "extensions": {},
    }
    identifier = get("PASSENGER_REQUEST_ID")
    if identifier:
        scope["extensions"]["passenger"] = {"request_id": identifier}
    if state is not None:
        scope["state"] = copy.copy(state)
    return scope


def _text(path):
    return (unquote_to_bytes(path) if b"%" in path else path).decode("utf-8", "replace")


class Lifespan:
    """Startup and shutdown of the application, in a task of its own (ASGI's lifespan protocol)."""

    def __init__(self, application):
        self._application = application
        self._to_application = asyncio.Queue()
        self._from_application = asyncio.Queue()
        self._task = None
        self._started = False
        # What the application keeps for its requests. None: it does not take part in the protocol.
        self.state = {}

    async def start(self):
        """Raises RuntimeError if the application says that its startup has failed."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._to_application.put_nowait({"type": "lifespan.startup"})
        answer = await self._from_application.get()
        self._started = answer["type"] == "lifespan.startup.complete"
        if answer["type"] == "lifespan.startup.failed":
            raise RuntimeError("the application's startup failed: %s" % answer.get("message", ""))
        if answer["type"] != "lifespan.startup.complete":
            self.state = None

    async def stop(self):
        if self._task.done():
            return
        self._to_application.put_nowait({"type": "lifespan.shutdown"})
        answer = await self._from_application.get()
        if answer["type"] == "lifespan.shutdown.failed":
            log.event("hook.failed", hook="lifespan.shutdown", reason=answer.get("message", ""))

    async def _run(self):
        scope = {"type": "lifespan", "asgi": _ASGI, "state": self.state}
        try:
            await self._application(scope, self._to_application.get, self._send)
        except Exception as error:
            # An application that knows no lifespan raises at once: it works without.
            if self._started:
                log.exception("hook.failed", error, hook="lifespan.shutdown")
        finally:
            self._from_application.put_nowait({"type": "ended"})

    async def _send(self, message):
        self._from_application.put_nowait(message)


class HttpRequest:
    """One request, from its claim to the last message of its answer."""

    def __init__(self, loop, channel, ticket, queued, sticky_id):
        """`queued`: microseconds from the sending of the request until the instance took it. `sticky_id`: this
        instance's id for sticky sessions, or 0."""
        self.loop = loop
        self.channel = channel
        self.ticket = ticket
        self._queued = queued
        self._sticky_id = sticky_id
        # The head was sent; the last message was sent; the request did not run.
        self.started = self.finished = self.skipped = False
        # The application has called sys.exit().
        self.exits = False
        # The child can give the client's own socket away: for another protocol; for the rest of an answer.
        self.transferable = self.stream_transferable = False
        # The rest of the answer, if it goes to the client's own socket.
        self.stream = None
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
        # The client has left, or has broken its body off.
        self._gone = False
        self._status = 0
        self._head = None
        self._head_request = False
        # The lines of trailer fields that the application has promised. None: it sends none.
        self._trailers = None
        self._body_sent = False
        self._hints = 0
        # What receive() and send() wait for: news on the channel, or the end of the answer.
        self._reading = None
        self._writing = asyncio.Lock()

    async def take_body(self, source, rest_of_head, in_file):
        """The body follows on the channel. Waits for the rest of the head, which has so many bytes."""
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
        self._head_request = bool(head_request)
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
            await application(scope, self.receive, self.send)
            if self.stream is not None:
                await self.stream.end()
            if not self.finished:
                raise RuntimeError("the application did not finish its answer")
        except GeneratorExit:
            raise
        except BaseException as error:
            if self.stream is not None:
                await self.stream.abort()
            if self._gone or isinstance(error, ClientGone):
                # Most often the httpd child is gone. If not, it must not wait for more.
                await self.end_in_error(400, b"Bad Request")
                return
            # An error after the answer, such as in a background task, is the application's.
            self.exits = isinstance(error, SystemExit)
            log.exception("request.failed", error, **log.subject(environment, scope["path"]))
            await self.end_in_error()

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
            self._gone = not self.finished
        if self.finished and self.stream is not None:
            await self.stream.closed()
            self._gone = not self.stream.ended
        return {"type": "http.disconnect"}

    async def left(self):
        """Waits until the client has left: True. False: the answer has ended before."""
        try:
            while not self.finished:
                await self._await_message(False)
        except BodyBrokenOff:
            return True
        return False

    async def send(self, message):
        """Takes a message of the application. Raises ClientGone, which is an OSError."""
        kind = message["type"]
        if self.finished and self.stream is None:
            # After the end, as after a disconnect, messages have no effect.
            return
        if kind == "http.response.start":
            if self._head is not None:
                raise RuntimeError("http.response.start came twice")
            self._status = _status_of(message["status"])
            self._head = header_lines(message.get("headers", ()))
            if message.get("trailers", False) and self.takes_trailers:
                self._trailers = b""
        elif kind == "http.response.body":
            if self._head is None:
                raise RuntimeError("http.response.body came before http.response.start")
            await self._send_body(message.get("body", b""), not message.get("more_body", False))
        elif kind == "http.response.trailers":
            if not self._body_sent:
                raise RuntimeError("http.response.trailers came before the end of the body")
            self._trailers += header_lines(message.get("headers", ()))
            if not message.get("more_trailers", False):
                await self._send_trailers()
        elif kind == "http.response.early_hint":
            await self._send_hint(message.get("links", ()))
        else:
            raise RuntimeError("the message %r is unknown" % kind)

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
        await self.send_message(layout.RESPONSE, layout.LAST if ends else 0, status, len(head), self._queued,
                                self._sticky_id, first, rest[:room])
        if not ends and (rest[room:] or last):
            await self._send_data(rest[room:], last)

    async def send_message(self, type_, flags, *fields):
        """Waits until the child has room. Messages of several tasks do not mix."""
        if flags & layout.LAST:
            # The child may use the channel for another exchange once it has the last message.
            self._stop_reading()
        async with self._writing:
            # Another task may have ended the answer meanwhile.
            while not self.finished and not self.channel.send_now(self.ticket, type_, flags, *fields):
                await self._await_room()
        if flags & layout.LAST:
            self.finished = True
            # A task may have begun to read while this one waited.
            self._stop_reading()

    async def hand_over(self, descriptor, status, head):
        """Takes the client's connection over: the child gets one end of a stream, then this head. That ends the
        request. If the request is transferable, the other end gets the child's answer."""
        if len(head) > layout.PAYLOAD_LIMIT:
            raise ValueError("the head has %d bytes, more than %d" % (len(head), layout.PAYLOAD_LIMIT))
        async with self._writing:
            flags = layout.WANTS_CLIENT if self.transferable else 0
            while not self.channel.send_stream_now(self.ticket, flags, self._queued, self._sticky_id, descriptor):
                await self._await_room()
        self.started = True
        await self.send_message(layout.RESPONSE, layout.LAST, status, len(head), self._queued, self._sticky_id, head)

    async def _send_body(self, body, last):
        if self._body_sent:
            raise RuntimeError("http.response.body came behind the end of the body")
        if last and self._trailers is not None:
            self._body_sent = True
            last = False
        if self.stream is not None and await self.stream.take(bytes(body), last):
            return
        if self._head_request or self._status in (204, 304):
            # Whatever body follows is none of the client's.
            await self.respond(self._status, self._head, b"", True)
        elif not (self.started or last) and self._is_for_stream():
            self.stream = EventStream(self, self._head, body)
        elif not self.started:
            await self.respond(self._status, self._head, bytes(body), last)
        elif body or last:
            await self._send_data(bytes(body), last)

    def _is_for_stream(self):
        return self.stream_transferable and self._trailers is None and is_event_stream(self._status, self._head)

    async def _send_data(self, body, last):
        rest = memoryview(body)
        while len(rest) > layout.PAYLOAD_LIMIT:
            await self.send_message(layout.DATA, 0, 0, 0, 0, 0, b"", rest[: layout.PAYLOAD_LIMIT])
            rest = rest[layout.PAYLOAD_LIMIT :]
        await self.send_message(layout.DATA, layout.LAST if last else 0, 0, 0, 0, 0, b"", rest)

    async def _send_trailers(self):
        lines = self._trailers
        if len(lines) > layout.PAYLOAD_LIMIT:
            raise ValueError("the trailer fields have %d bytes, more than %d" % (len(lines), layout.PAYLOAD_LIMIT))
        if lines:
            await self.send_message(layout.TRAILERS, layout.LAST, 0, len(lines), 0, 0, lines)
        else:
            await self._send_data(b"", True)

    async def _send_hint(self, links):
        if self.started or self._hints == _MOST_HINTS:
            return
        self._hints += 1
        head = header_lines((b"link", link) for link in links)
        if len(head) > layout.PAYLOAD_LIMIT:
            raise ValueError("the early hints have %d bytes, more than %d" % (len(head), layout.PAYLOAD_LIMIT))
        await self.send_message(layout.INTERIM, 0, _EARLY_HINTS, len(head), 0, 0, head)

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
        """A piece of the file in which httpd has kept the body. It empties the file when the exchange is over."""
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


def _status_of(status):
    if isinstance(status, int) and 200 <= status <= 999:
        return int(status)
    raise ValueError("the status is %r: it must be a number from 200 to 999" % (status,))
