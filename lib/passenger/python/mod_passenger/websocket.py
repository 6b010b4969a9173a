"""WebSockets (RFC 6455) of an ASGI application, over the client's connection. The library wsproto
does the protocol."""

import asyncio
import errno
import socket
import sys

from . import log
from .asgi_answer import AsgiAnswer
from .channels import ClientGone
from .client_errors import means_client_gone
from .client_watch import ClientWatch
from .client_writer import ClientWriter
from .header_lines import header_lines
from .scope import scope_of
from .transfer import has_room, stream_pair, transferred

# Bytes of one read. Compressed ones become up to 1,032 times as many.
_PIECE = 65536
_COMPRESSED_PIECE = 4096
# Bytes in memory of a message, or of all messages that wait for the application. Beyond it a
# message is refused, and the client waits.
_MOST = 16 * 1024 * 1024
# The memory of a fragment or a message beside its bytes.
_OVERHEAD = 64
# The memory of a text that is not ASCII beside its characters, of which it has one more.
_BESIDE_TEXT = sys.getsizeof("\xe9" * 2) - 3
# Seconds that a client has to take what is written before the end, and at the instance's end also
# what is left then.
_PATIENCE = 2
_NORMAL = 1000
_GONE = 1006
_TOO_LARGE = 1009
_INTERNAL_ERROR = 1011
_RESTART = 1012
_DENIAL = {"websocket.http.response.start": "http.response.start",
           "websocket.http.response.body": "http.response.body"}
_DISCONNECT = {"type": "websocket.disconnect", "code": _GONE, "reason": ""}
# The tasks of applications that have refused a connection, too.
_running = set()


def is_upgrade(environment):
    """A proxy that does not know WebSockets leaves `Connection: upgrade` out. Over an HTTP/2
    connection, which carries other requests, too, httpd hands no connection over."""
    return ("HTTP_UPGRADE" in environment and environment["HTTP_UPGRADE"].lower() == "websocket"
            and "upgrade" in [one.strip() for one in environment.get("HTTP_CONNECTION", "").lower().split(",")]
            and environment.get("SERVER_PROTOCOL") == "HTTP/1.1" and environment.get("REQUEST_METHOD") == "GET")


def _width_of(data):
    """Bytes of each character. One character above U+FFFF makes Python keep four for all others."""
    if not isinstance(data, str) or data.isascii():
        return 1
    return (sys.getsizeof(data) - _BESIDE_TEXT) // (len(data) + 1)


class WebSocketRequest:
    """The request is over as soon as the application has accepted the connection or not. The
    connection then is a stream of its own."""

    def __init__(self, request):
        self._request = request
        self._protocol = None
        # Takes the answer of an application that refuses the connection by one.
        self._denial = AsgiAnswer(request, False)
        self._fragments = []
        self._length = 0
        self._width = 1
        self._messages = asyncio.Queue()
        self._waiting = 0
        self._taken = asyncio.Event()
        self._decided = None
        self._running = None
        self._reader = self._writer = self._output = None
        self._writing = asyncio.Lock()
        self._piece = _PIECE
        self._closed = False
        self._failed = False
        # The application has called sys.exit().
        self.exits = False
        # The application has the connection.
        self.accepted = False

    @property
    def finished(self):
        return self._request.finished

    @property
    def skipped(self):
        return self._request.skipped

    async def end_in_error(self):
        await self._request.end_in_error()

    def close(self):
        """After the request. An accepted connection goes on."""
        self._request.close()

    async def run(self, application, environment, _head_request, state):
        """Returns when the application has accepted or refused."""
        try:
            from wsproto import ConnectionType, WSConnection
            from wsproto.events import Request
        except ImportError:
            log.complaint("websocket.no_library", reason="the Python of this application has no wsproto",
                          remedy="pip install wsproto, or Debian's python3-wsproto")
            await self._request.end_in_error(501, b"Not Implemented")
            return
        scope = scope_of(environment, "websocket", state)
        scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
        scope["extensions"]["websocket.http.response"] = {}
        self._protocol = WSConnection(ConnectionType.SERVER)
        try:
            self._protocol.initiate_upgrade_connection(scope["headers"], scope["raw_path"].decode("latin-1"))
            offer = next(event for event in self._protocol.events() if isinstance(event, Request))
        except Exception as error:
            log.complaint("request.malformed", reason="the handshake of a WebSocket: %s" % error)
            await self._request.end_in_error(400, b"Bad Request")
            return
        scope["subprotocols"] = list(offer.subprotocols)
        self._decided = self._request.loop.create_future()
        self._put({"type": "websocket.connect"}, 0)
        subject = log.subject(environment, scope["path"])
        self._running = self._request.loop.create_task(self._call(application, scope, subject))
        _running.add(self._running)
        self._running.add_done_callback(_running.discard)
        await self._await_decision()
        if not self.accepted:
            self._put(_DISCONNECT, 0)
            await self._request.end_in_error(
                *((500, b"Internal Server Error") if self._failed else (403, b"Forbidden")))

    async def _await_decision(self):
        """The application learns that its client has left, and decides all the same."""
        leaving = self._request.loop.create_task(self._request.left())
        await asyncio.wait({self._decided, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if leaving.done() and leaving.result():
            self._put(_DISCONNECT, 0)
        await self._decided
        leaving.cancel()

    async def converse(self):
        """Passes messages to the application until either side ends."""
        reading = self._request.loop.create_task(self._read())
        try:
            await asyncio.wait({self._running})
        finally:
            reading.cancel()
            # Two tasks cannot read.
            await asyncio.wait({reading})
            await self._end(_INTERNAL_ERROR if self._failed else _NORMAL)

    async def go_away(self):
        """The instance ends: clients connect anew. converse() goes on until the client has closed
        its side."""
        if self.accepted and await self._finish(_RESTART):
            self._output.end(_PATIENCE)

    async def _call(self, application, scope, subject):
        try:
            await application(scope, self._receive, self._send)
        except GeneratorExit:
            raise
        except BaseException as error:
            if means_client_gone(error):
                return
            log.exception("request.failed", error, **subject)
            self._failed = self.accepted or not self._decided.done()
            self.exits = isinstance(error, SystemExit)
        finally:
            if not self._decided.done():
                self._decided.set_result(None)

    def _put(self, message, size):
        self._waiting += size
        self._messages.put_nowait((message, size))

    async def _receive(self):
        message, size = await self._messages.get()
        self._waiting -= size
        self._taken.set()
        return message

    async def _send(self, message):
        from wsproto.events import BytesMessage, TextMessage

        kind = message["type"]
        if kind == "websocket.accept" and not self._decided.done():
            await self._accept(message)
        elif kind == "websocket.close" and not self._decided.done():
            self._decided.set_result(None)
        elif kind in _DENIAL and not self.accepted:
            await self._denial.send({**message, "type": _DENIAL[kind]})
            if self.finished and not self._decided.done():
                self._decided.set_result(None)
        elif kind == "websocket.close":
            if self.accepted:
                await self._say_close(message.get("code", _NORMAL), message.get("reason") or "")
                # The application may wait for the client's close, and the client may send none.
                self._output.end()
        elif kind == "websocket.send" and self.accepted:
            if self._closed:
                raise ClientGone("the client has closed its connection")
            text = message.get("text")
            event = TextMessage(data=text) if text is not None else BytesMessage(data=bytes(message["bytes"]))
            await self._write(self._protocol.send(event))
        else:
            raise RuntimeError("the message %r is not expected here" % kind)

    async def _accept(self, message):
        from wsproto.events import AcceptConnection
        from wsproto.extensions import PerMessageDeflate

        compression = PerMessageDeflate()
        event = AcceptConnection(subprotocol=message.get("subprotocol"), extensions=[compression],
                                 extra_headers=list(message.get("headers", ())))
        try:
            answer = self._protocol.send(event)
        except ValueError:
            # A malformed offer of the client is declined (RFC 7692, section 5.1).
            event.extensions.clear()
            answer = self._protocol.send(event)
        if compression.enabled():
            self._piece = _COMPRESSED_PIECE
        lines = answer.split(b"\r\n")[1:]
        head = header_lines(tuple(line.split(b": ", 1)) for line in lines if line)
        if not has_room():
            # httpd passes the bytes on.
            self._request.transferable = False
        ours, theirs = stream_pair()
        try:
            await self._request.hand_over(theirs.fileno(), 101, head)
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError) and error.errno == errno.ETOOMANYREFS:
                log.complaint("connection.not_handed_over", reason=error.strerror,
                              remedy="a higher limit of open files")
                self._failed = True
                raise ClientGone("the connection cannot be handed over") from error
            raise
        finally:
            theirs.close()
        if self._request.transferable:
            ours = await transferred(self._request.loop, ours)
        opened = asyncio.open_unix_connection if ours.family == socket.AF_UNIX else asyncio.open_connection
        self._reader, self._writer = await opened(sock=ours)
        self._output = ClientWriter(self._request.loop, self._writer.transport)
        self.accepted = True
        self._decided.set_result(None)

    async def _read(self):
        code, reason = _GONE, ""
        watch = ClientWatch(self._request.loop, self._output, self._ping)
        try:
            while True:
                watch.heard()
                data = await self._reader.read(self._piece)
                self._protocol.receive_data(data or None)
                closing = await self._take_events()
                if closing or not data:
                    code, reason = closing or (code, reason)
                    break
                while self._waiting > _MOST:
                    watch.stop()
                    self._taken.clear()
                    await self._taken.wait()
        except (OSError, EOFError):
            pass
        except Exception as error:
            log.complaint("websocket.broken", reason=str(error))
        finally:
            watch.stop()
        self._closed = True
        self._put({"type": "websocket.disconnect", "code": code, "reason": reason}, 0)
        await self._close()

    def _ping(self):
        from wsproto.events import Ping

        if not self._closed:
            self._output.write(self._protocol.send(Ping()))

    async def _close(self):
        """The application may go on for long."""
        from wsproto.connection import ConnectionState

        if self._protocol.state is ConnectionState.LOCAL_CLOSING:
            # A close with unread bytes would take the last messages away from the client.
            self._output.end()
            try:
                await self._drop_rest()
            except OSError:
                pass
        self._writer.close()

    async def _drop_rest(self):
        while await self._reader.read(_PIECE):
            pass

    async def _take_events(self):
        """Code and reason of the client's close, or None."""
        from wsproto.connection import ConnectionState
        from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

        for event in self._protocol.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                self._fragments.append(event.data)
                self._length += len(event.data)
                self._width = max(self._width, _width_of(event.data))
                if self._size > _MOST:
                    await self._say_close(_TOO_LARGE, "")
                    return _TOO_LARGE, ""
                if event.message_finished:
                    self._pass_on(isinstance(event, TextMessage))
            elif isinstance(event, Ping):
                if not self._closed:
                    await self._write(self._protocol.send(event.response()))
            elif isinstance(event, CloseConnection):
                if self._protocol.state is ConnectionState.REMOTE_CLOSING and not self._closed:
                    self._closed = True
                    await self._write(self._protocol.send(event.response()))
                if self._protocol.state is ConnectionState.OPEN:
                    # The client has broken the protocol.
                    await self._say_close(event.code, "")
                return int(event.code), event.reason or ""
        return None

    @property
    def _size(self):
        return self._length * self._width + len(self._fragments) * _OVERHEAD

    def _pass_on(self, is_text):
        size = self._size
        fragments, self._fragments = self._fragments, []
        self._length, self._width = 0, 1
        self._put({"type": "websocket.receive", "text": "".join(fragments) if is_text else None,
                   "bytes": None if is_text else b"".join(fragments)}, size)

    async def _say_close(self, code, reason):
        from wsproto.events import CloseConnection

        if self._closed:
            return
        self._closed = True
        try:
            await self._write(self._protocol.send(CloseConnection(code=code, reason=reason)))
        except OSError:
            pass

    async def _finish(self, code):
        """Sends the close frame. False: the client has not taken in time what is before it, and is
        cut."""
        try:
            await asyncio.wait_for(self._say_close(code, ""), _PATIENCE)
            return True
        except asyncio.TimeoutError:
            self._writer.transport.abort()
            return False

    async def _end(self, code):
        if await self._finish(code):
            await self._close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass

    async def _write(self, data):
        try:
            # A task that is cancelled while it waits loses no frame: the compression of later ones
            # refers to it.
            self._output.write(data)
            # Python before 3.11 allows one task at a time to wait here.
            async with self._writing:
                await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise ClientGone("the client has closed its connection") from error
