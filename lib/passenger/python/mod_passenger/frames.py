"""Frames of section 4 of doc/PROTOCOLS.md, and the socket that carries them."""

import os
import socket
from array import array
from select import POLLIN, POLLOUT, poll
from struct import Struct

from . import threads

_HEADER = Struct("<IHH")
_LENGTH = Struct("<I")
_MAX_LENGTH = 1024 * 1024
_MAX_FIELDS = 65535
_MAX_DESCRIPTORS = 16

HELLO = 48
LOAD = 49
STEP = 50
LOADED = 51
FAILED = 52
FORK = 53
FORKED = 54
SERVE = 55
READY = 56
FETCH = 57
CHANNEL = 58
NO_CHANNEL = 59
DROP = 60
FINISH = 61
LIMIT_REACHED = 62
PAUSE = 63
HEARTBEAT = 82
THREADS = 83
# The time that an instance gives the requests that it has when FINISH comes.
FINISH_SECONDS = 60


class ProtocolError(Exception):
    """The peer does not follow doc/PROTOCOLS.md."""


class Frame:
    """A type, fields of bytes, descriptors. The reader of a frame owns its descriptors."""

    __slots__ = ("type", "fields", "descriptors")

    def __init__(self, type_, fields=(), descriptors=()):
        self.type = type_
        self.fields = [_bytes_of(field) for field in fields]
        self.descriptors = list(descriptors)

    def encode(self):
        """The frame's bytes. Raises ProtocolError if they are over a limit."""
        if len(self.fields) > _MAX_FIELDS:
            raise ProtocolError("a frame has at most %d fields" % _MAX_FIELDS)
        body = b"".join(_LENGTH.pack(len(field)) + field for field in self.fields)
        if len(body) > _MAX_LENGTH:
            raise ProtocolError("a frame has at most %d bytes" % _MAX_LENGTH)
        return _HEADER.pack(len(body), self.type, len(self.descriptors)) + body

    def text(self, index):
        """The field as text; a byte that is not UTF-8 becomes a surrogate (PEP 383)."""
        if index >= len(self.fields):
            raise ProtocolError("frame %d has no field %d" % (self.type, index))
        return os.fsdecode(self.fields[index])

    def number(self, index):
        """The field as a number."""
        text = self.text(index)
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            raise ProtocolError("field %d of frame %d is not a number" % (index, self.type))
        return int(text)

    def map(self):
        """The fields as a dict of texts."""
        if len(self.fields) % 2:
            raise ProtocolError("a map's last name has no value")
        texts = [os.fsdecode(field) for field in self.fields]
        return dict(zip(texts[::2], texts[1::2]))

    def take_descriptors(self, count):
        """The frame's descriptors. Raises ProtocolError unless there are `count` of them."""
        if len(self.descriptors) != count:
            got = len(self.descriptors)
            self.close_descriptors()
            raise ProtocolError("frame %d came with %d descriptors instead of %d" % (self.type, got, count))
        descriptors, self.descriptors = self.descriptors, []
        return descriptors

    def close_descriptors(self):
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


def _bytes_of(field):
    return field if isinstance(field, bytes) else os.fsencode(str(field))


def _fields_of(body):
    fields = []
    position = 0
    while position < len(body):
        if position + _LENGTH.size > len(body):
            raise ProtocolError("a field's length reaches beyond its frame")
        (length,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size
        if length > len(body) - position:
            raise ProtocolError("a field reaches beyond its frame")
        if len(fields) == _MAX_FIELDS:
            raise ProtocolError("a frame with more than %d fields" % _MAX_FIELDS)
        fields.append(body[position : position + length])
        position += length
    return fields


class FrameSocket:
    """Frames over one end of a SOCK_STREAM pair. One thread reads; any thread may write.

    Other processes may share the descriptor, so its flags never change."""

    def __init__(self, descriptor):
        os.set_inheritable(descriptor, False)
        self._socket = threads.socket_of(descriptor)
        self._write_lock = threads.allocate_lock()

    def read(self):
        """The next frame, or None at the end. Raises ProtocolError, after which the socket is
        closed.

        A CHANNEL comes without its descriptor if the process has no room for it."""
        descriptors = []
        try:
            header = self._read_header(descriptors)
            if not header:
                return None
            length, type_, count = _HEADER.unpack(header)
            if length > _MAX_LENGTH:
                raise ProtocolError("a frame of %d bytes" % length)
            if count != len(descriptors) and not (type_ == CHANNEL and not descriptors):
                raise ProtocolError("a frame announced %d descriptors, and %d came" % (count, len(descriptors)))
            return Frame(type_, _fields_of(self._read_exactly(length)), descriptors)
        except ProtocolError:
            for descriptor in descriptors:
                os.close(descriptor)
            self.close()
            raise
        except ConnectionError:
            return None

    def write(self, type_, *fields):
        """Sends a frame. Raises OSError if the peer has gone."""
        data = Frame(type_, fields).encode()
        with self._write_lock:
            self._socket.sendall(data)

    def write_if_room(self, type_):
        """Sends a frame without fields, unless the caller would have to wait."""
        data = Frame(type_).encode()
        room = poll()
        room.register(self._socket, POLLOUT)
        with self._write_lock:
            if room.poll(0):
                self._socket.sendall(data)

    def readable(self):
        """Whether the next frame, or the end, is there."""
        there = poll()
        there.register(self._socket, POLLIN)
        return bool(there.poll(0))

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()

    def _read_header(self, descriptors):
        """The descriptors come with the first byte."""
        space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array("i").itemsize)
        header, controls, _, _ = self._socket.recvmsg(_HEADER.size, space, socket.MSG_CMSG_CLOEXEC)
        descriptors.extend(descriptors_in(controls))
        if header and len(header) < _HEADER.size:
            header += self._read_exactly(_HEADER.size - len(header))
        return header

    def _read_exactly(self, length):
        pieces = []
        while length:
            piece = self._socket.recv(length)
            if not piece:
                raise ProtocolError("the socket was closed in the middle of a frame")
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)


def descriptors_in(controls):
    """The descriptors of a recvmsg()'s control messages. The caller owns them."""
    descriptors = array("i")
    for level, type_, data in controls:
        if level == socket.SOL_SOCKET and type_ == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return descriptors.tolist()
