"""The answer of an ASGI application."""

from . import layout
from .event_stream import EventStream, is_event_stream
from .header_lines import header_lines

_EARLY_HINTS = 103
_MOST_HINTS = 16


class AsgiAnswer:
    """Makes the messages of an exchange (HttpRequest) of those that the application sends."""

    __slots__ = ("_exchange", "_head_request", "_status", "_head", "_trailers", "_body_sent", "_hints")

    def __init__(self, exchange, head_request):
        self._exchange = exchange
        self._head_request = head_request
        self._status = 0
        self._head = None
        # The lines of trailer fields that the application has promised. None: it sends none.
        self._trailers = None
        self._body_sent = False
        self._hints = 0

    async def send(self, message):
        """Takes a message of the application. Raises ClientGone, which is an OSError."""
        kind = message["type"]
        if self._exchange.finished and self._exchange.stream is None:
            # After the end, as after a disconnect, messages have no effect.
            more = {"http.response.body": "more_body", "http.response.trailers": "more_trailers"}.get(kind)
            await self._exchange.drop(more is not None and not message.get(more, False))
            return
        if kind == "http.response.start":
            if self._head is not None:
                raise RuntimeError("http.response.start came twice")
            self._status = _status_of(message["status"])
            self._head = header_lines(message.get("headers", ()))
            if message.get("trailers", False) and self._exchange.takes_trailers:
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

    async def _send_body(self, body, last):
        if self._body_sent:
            raise RuntimeError("http.response.body came behind the end of the body")
        if last and self._trailers is not None:
            self._body_sent = True
            last = False
        exchange = self._exchange
        if exchange.stream is not None and await exchange.stream.take(bytes(body), last):
            return
        if self._head_request or self._status in (204, 304):
            # Whatever body follows is none of the client's.
            if not last:
                exchange.begin_to_drop()
            await exchange.respond(self._status, self._head, b"", True)
        elif not (exchange.started or last) and self._is_for_stream():
            exchange.stream = EventStream(exchange, self._head, body)
        elif not exchange.started:
            await exchange.respond(self._status, self._head, bytes(body), last)
        elif body or last:
            await exchange.send_data(bytes(body), last)

    def _is_for_stream(self):
        return (self._exchange.stream_transferable and self._trailers is None
                and is_event_stream(self._status, self._head))

    async def _send_trailers(self):
        lines = self._trailers
        if len(lines) > layout.PAYLOAD_LIMIT:
            raise ValueError("the trailer fields have %d bytes, more than %d" % (len(lines), layout.PAYLOAD_LIMIT))
        if lines:
            await self._exchange.send_message(layout.TRAILERS, layout.LAST, 0, len(lines), 0, 0, lines)
        else:
            await self._exchange.send_data(b"", True)

    async def _send_hint(self, links):
        if self._exchange.started or self._hints == _MOST_HINTS:
            return
        self._hints += 1
        head = header_lines((b"link", link) for link in links)
        if len(head) > layout.PAYLOAD_LIMIT:
            raise ValueError("the early hints have %d bytes, more than %d" % (len(head), layout.PAYLOAD_LIMIT))
        await self._exchange.send_message(layout.INTERIM, 0, _EARLY_HINTS, len(head), 0, 0, head)


def _status_of(status):
    if isinstance(status, int) and 200 <= status <= 999:
        return int(status)
    raise ValueError("the status is %r: it must be a number from 200 to 999" % (status,))
