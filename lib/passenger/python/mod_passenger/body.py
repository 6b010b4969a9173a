"""The body of a request, as a file for reading."""

import io
import os
import tempfile

from . import layout, threads
from .channels import BodyBrokenOff, BodyNotReceived, close_descriptors

_IN_MEMORY = 1024 * 1024
_FILE_LENGTH = layout.REPLY.size + 8


class BodySource:
    """The request's bytes that come on the reply channel in BODY messages: the rest of a long head,
    then the body.

    A request that is sent again has a new ticket, but BODY messages under its earlier tickets stay
    valid. One exchange owns it. After the answer the channel's messages are another request's, also
    while a thread of the application still reads."""

    def __init__(self, channel, first_ticket, last_ticket):
        self._channel = channel
        self._first = first_ticket
        self._last = last_ticket
        self._stale = 0
        self._unread = b""
        self._ended = False
        self._over = False
        # Held while a message is taken, but not while one is waited for.
        self._lock = threads.allocate_lock()
        # Descriptor and size of the body's file, once it has come. The reader owns it.
        self.body_file = None

    def close(self):
        """The reply calls it before its last message. No message is taken from then on."""
        with self._lock:
            self._over = True

    def next_piece(self):
        """The next bytes, or none at the end. Raises BodyBrokenOff."""
        while self.waits:
            self._receive(False)
        return self.taken()

    @property
    def waits(self):
        """The next bytes, or the end, have not come yet."""
        return not (self._unread or self._ended)

    @property
    def ended(self):
        """No bytes follow, apart from those that have come."""
        return self._ended

    def taken(self):
        """The bytes that have come."""
        piece, self._unread = self._unread, b""
        return piece

    def read_exactly(self, length):
        """The next piece has the bytes that came with these."""
        pieces = b""
        while len(pieces) < length:
            piece = self.next_piece()
            if not piece:
                raise BodyBrokenOff("the request's head was broken off")
            pieces += piece
        self._unread = pieces[length:]
        return pieces[:length]

    def file(self):
        """The descriptor of the body's file, which the caller owns, and its size. None: the body
        comes in pieces.

        Called once, when the head is whole."""
        while self.body_file is None:
            if self._receive(True):
                return None
        return self.body_file

    def _receive(self, may_be_file):
        """Waits for a message. Returns and raises as take()."""
        while True:
            with self._lock:
                if self._over:
                    raise BodyBrokenOff("the rest of the request's body is gone, since its exchange is over")
                received = self._channel.receive_now()
                if received is not None:
                    return self.take(*received, may_be_file)
            self._channel.await_message()

    def take(self, message, descriptors, may_be_file=False):
        """Takes a message of the channel. True: a piece of the body has come. Raises BodyBrokenOff
        and BodyNotReceived."""
        ticket, type_, flags = layout.REPLY.unpack_from(message)[:3] if len(message) >= layout.REPLY.size else (0, 0, 0)
        own = self._first <= ticket <= self._last
        if may_be_file and own and type_ == layout.BODY_FILE and len(message) == _FILE_LENGTH:
            if not descriptors:
                raise BodyNotReceived
            self.body_file = descriptors[0], int.from_bytes(message[layout.REPLY.size :], "little")
            return False
        close_descriptors(descriptors)
        if own and type_ == layout.BODY and len(message) <= layout.MESSAGE_LIMIT:
            self._unread = message[layout.REPLY.size :]
            self._ended = bool(flags & layout.LAST)
            return True
        # Messages of an earlier exchange are dropped, up to a limit.
        self._stale += max(len(message), layout.REPLY.size)
        if self._stale > layout.STALE_LIMIT:
            raise BodyBrokenOff("too many messages of other exchanges on the reply channel")
        return False


class Pieces(io.RawIOBase):
    """A body that is still arriving. `length`: reading fails if it ends before; None: it may have
    any.

    `ask` is called once, before the first read that waits."""

    def __init__(self, source, length, ask):
        super().__init__()
        self._source = source
        self._left = length
        self._ask = ask
        self._piece = memoryview(b"")

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self._piece:
            if self._ask:
                ask, self._ask = self._ask, None
                ask()
            self._piece = memoryview(self._source.next_piece())
            if self._left is not None:
                if not self._piece and self._left > 0:
                    raise BodyBrokenOff("the request's body ended %d bytes early" % self._left)
                self._left -= len(self._piece)
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size


class BodyFile(io.RawIOBase):
    """A body that httpd has kept in a file. Owns the descriptor. Its position is its own: httpd
    shares that of the descriptor. httpd empties the file when the exchange is over."""

    def __init__(self, descriptor, size):
        super().__init__()
        self._descriptor = descriptor
        self._size = size
        self._position = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        size = os.preadv(self._descriptor, [buffer], self._position)
        if not size and len(buffer) and self._position < self._size:
            raise BodyBrokenOff("the request's body is gone, since its exchange is over")
        self._position += size
        return size

    def close(self):
        if not self.closed:
            super().close()
            os.close(self._descriptor)


def length_of(environment):
    """The length that the body must have. None: it may have any. It does not hold if a filter of
    httpd (mod_deflate) has removed a content coding."""
    text = environment.get("CONTENT_LENGTH", "").lstrip("0")
    if "CONTENT_LENGTH" not in environment or "HTTP_CONTENT_ENCODING" in environment or len(text) > 18:
        return None
    return int(text or "0")


def kept(stream):
    """Reads a body of unknown length whole, because WSGI needs the length first. Returns a file and
    its size."""
    body = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)
    while True:
        data = stream.read(layout.PAYLOAD_LIMIT)
        if not data:
            break
        body.write(data)
    length = body.tell()
    body.seek(0)
    return body, length
