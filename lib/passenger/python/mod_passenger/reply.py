"""The messages that answer one request."""

from . import layout

_PIECE = layout.PAYLOAD_LIMIT


class Reply:
    """Each piece is sent as it comes; a piece that is too long for a message is cut. A handler owns
    it for one request. All methods raise what Channel.send() raises."""

    __slots__ = ("_channel", "ticket", "_queued", "_sticky_id", "takes_file", "body_source", "started",
                 "finished", "skipped")

    def __init__(self, channel, ticket, queued, sticky_id):
        """`queued`: microseconds from the sending of the request until the instance took it.
        `sticky_id`: this instance's id for sticky sessions, or 0."""
        self._channel = channel
        self.ticket = ticket
        self._queued = queued
        self._sticky_id = sticky_id
        # The child takes the end of a body as an open file.
        self.takes_file = False
        # What reads the request's body from the channel. None: the body came with the request.
        self.body_source = None
        # The head was sent: it is too late for another answer.
        self.started = False
        # The last message was sent. A channel without it cannot be used again.
        self.finished = False
        # The request did not run.
        self.skipped = False

    def respond(self, status, head, body=b"", last=False):
        """Sends status, header lines and the first bytes of the body."""
        if len(head) + len(body) <= _PIECE:
            if last and self.body_source is not None:
                self.body_source.close()
            self._send_head(status, head, head, body, layout.LAST if last else 0)
            self.finished = last
            return
        first = head[:_PIECE]
        room = _PIECE - len(first)
        self._send_head(status, head, first, body[:room], 0)
        self.data(head[_PIECE:])
        self.data(body[room:], last)

    def data(self, body, last=False):
        """Sends more bytes of the body. Sends no empty message, unless it is the last one."""
        if self.finished or not (body or last):
            return
        if len(body) > _PIECE:
            rest = memoryview(body)
            while len(rest) > _PIECE:
                self._channel.send(self.ticket, layout.DATA, 0, body=bytes(rest[:_PIECE]))
                rest = rest[_PIECE:]
            body = bytes(rest)
        if last and self.body_source is not None:
            self.body_source.close()
        self._channel.send(self.ticket, layout.DATA, layout.LAST if last else 0, body=body)
        self.finished = last

    def file(self, descriptor, offset, length):
        """Ends the body with bytes of an open file. False: nothing was sent: the kernel takes no
        descriptor now."""
        if self.body_source is not None:
            self.body_source.close()
        self.finished = self._channel.send_file(self.ticket, descriptor, offset, length)
        return self.finished

    def skip(self):
        """The request was withdrawn and did not run."""
        self.skipped = True
        self._channel.send(self.ticket, layout.SKIPPED, layout.LAST)
        self.started = self.finished = True

    def abort(self):
        """The application failed after the head was sent."""
        if not self.finished:
            if self.body_source is not None:
                self.body_source.close()
            self._channel.send(self.ticket, layout.ABORTED, layout.LAST)
            self.finished = True

    def interim(self, status):
        """An interim answer (1xx) without header lines. It is not sent after the head."""
        if not self.started:
            self._channel.send(self.ticket, layout.INTERIM, 0, status)

    def _send_head(self, status, head, first, body, flags):
        self._channel.send(self.ticket, layout.RESPONSE, flags, status, len(head), self._queued, self._sticky_id, first,
                           body)
        self.started = True
