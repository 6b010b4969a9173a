"""The reply channels that this instance knows (doc/PROTOCOLS.md, section 3)."""

import os
import socket
from array import array
from errno import EBADF, ECONNRESET, ENOTCONN, EPIPE, ETOOMANYREFS
from select import POLLIN, POLLOUT, poll
from time import monotonic

from . import frames, layout, native, threads

_RIGHTS_SPACE = socket.CMSG_SPACE(4 * array("i").itemsize)
# EBADF: the application has forked this process, which has closed the channel.
_GONE = (EPIPE, ECONNRESET, ENOTCONN, EBADF)
# Seconds. A child sends a request again that nobody has claimed after one.
_PATIENCE = 2


class ClientGone(BrokenPipeError):
    """The client has left, and the child gave the exchange up."""


class BodyBrokenOff(ConnectionError):
    """The request body ended too early."""


class BodyNotReceived(Exception):
    """The file with the request's body did not reach this process, which has no descriptor left."""


class Channel:
    """The instance's end of one reply channel. One exchange uses it at a time, but application code
    may go on after the last message of its answer, while the next exchange uses the channel.

    The agent shares the descriptor, so its flags never change. Writes block, without the
    interpreter's lock."""

    def __init__(self, identifier, descriptor):
        self.id = identifier
        self._socket = threads.socket_of(descriptor)
        self._descriptor = descriptor
        self._lock = threads.allocate_lock()
        self._borrowers = 0
        self._retired = False

    def borrow(self):
        """None: it was retired meanwhile."""
        with self._lock:
            if self._retired:
                return None
            self._borrowers += 1
            return self

    def give_back(self):
        with self._lock:
            self._borrowers -= 1
            if self._retired and not self._borrowers:
                self.close()

    def retire(self):
        """No other exchange will use the channel. It closes when the current ones are over."""
        with self._lock:
            self._retired = True
            if not self._borrowers:
                self.close()

    def close(self):
        """No exchange uses the channel, or this is a process that the application forked, which has
        no part in it."""
        self._descriptor = -1
        self._socket.close()

    def send(self, ticket, type_, flags, status=0, head_length=0, queued=0, sticky_id=0, head=b"", body=b""):
        """Sends one message. Raises ClientGone, or another OSError: the child waits for a last
        message then."""
        try:
            if native.module:
                native.module.send(
                    self._descriptor, ticket, type_, flags, status, head_length, queued, sticky_id, head, body)
            else:
                header = layout.REPLY.pack(ticket, type_, flags, status, head_length, queued, sticky_id)
                self._when_room(lambda: self._socket.sendmsg([header, head, body]))
        except OSError as error:
            _check_gone(error)
            raise

    def _when_room(self, call):
        """Another process may have made the descriptor non-blocking (libuv does)."""
        while True:
            try:
                return call()
            except BlockingIOError:
                news = poll()
                news.register(self._socket, POLLOUT)
                news.poll()

    def fileno(self):
        return self._descriptor

    def send_now(self, ticket, type_, flags, status=0, head_length=0, queued=0, sticky_id=0, head=b"", body=b""):
        """As send(). False: the caller would have to wait, and nothing was sent."""
        header = layout.REPLY.pack(ticket, type_, flags, status, head_length, queued, sticky_id)
        return self._send_at_once([header, head, body])

    def send_stream_now(self, ticket, flags, queued, sticky_id, descriptor):
        """Gives the child one end of a stream that takes the place of the client's connection.
        False: as send_now()."""
        header = layout.REPLY.pack(ticket, layout.HIJACKED, flags, 0, 0, queued, sticky_id)
        return self._send_at_once([header], _rights(descriptor))

    def _send_at_once(self, parts, controls=()):
        try:
            self._socket.sendmsg(parts, controls, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            _check_gone(error)
            raise
        return True

    def send_file(self, ticket, descriptor, offset, length):
        """Gives the child the end of a body as an open file. False: nothing was sent, since more of
        this user's descriptors are in sockets than a process may have open. Raises as send()."""
        header = layout.REPLY.pack(ticket, layout.ANSWER_FILE, layout.LAST, 0, 0, 0, 0)
        message = [header, layout.FILE_RANGE.pack(offset, length)]
        try:
            self._when_room(lambda: self._socket.sendmsg(message, _rights(descriptor)))
        except OSError as error:
            if error.errno == ETOOMANYREFS:
                return False
            _check_gone(error)
            raise
        return True

    def receive_now(self):
        """The next message and its descriptors, which the caller owns. None: there is none yet.
        Raises BodyBrokenOff if the child gave the exchange up."""
        try:
            message, controls, _, _ = self._socket.recvmsg(
                layout.MESSAGE_LIMIT + 1, _RIGHTS_SPACE, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            raise BodyBrokenOff("the request's body was broken off") from error
        if not message:
            raise BodyBrokenOff("the request's body was broken off")
        return message, frames.descriptors_in(controls)

    def hung_up(self):
        """Whether the child gave the exchange up. It may want no more of the request's body, and
        wait for the answer: that is no hang-up, which poll() reports whatever it is asked for."""
        if self._descriptor == -1:
            return True
        news = poll()
        news.register(self._socket, 0)
        return bool(news.poll(0))

    def await_message(self):
        """Waits for a message, or for the end. It may be another thread's when this returns."""
        news = poll()
        try:
            news.register(self._socket, POLLIN)
        except ValueError:
            # Closed meanwhile, as receive_now() will tell.
            return
        news.poll()


class Channels:
    """Handler threads look channels up; the control thread adds those that were asked for.

    A look-up of a known channel takes no lock of all channels."""

    def __init__(self, control, patience=_PATIENCE):
        """`patience`: the seconds that requests wait for the agent."""
        self._control = control
        self.patience = patience
        self._known = {}
        # The agent has not answered yet.
        self._wanted = set()
        self._news = threads.Condition()
        self._closed = False
        # Called by the control thread after each answer of the agent.
        self.on_news = None

    def borrow_now(self, identifier, was_asked=False):
        """As borrow(), but never waits: the channel, None where its child is gone, or False where
        the agent was asked and on_news will be called. `was_asked`: by a call before."""
        with self._news:
            channel = self._known.get(identifier)
            if channel is None:
                if not was_asked:
                    self._ask(identifier)
                return False if identifier in self._wanted and not self._closed else None
        return channel.borrow()

    def borrow(self, identifier):
        """The channel, which the caller gives back. None: its child is gone, or the agent does not
        answer. A late answer counts for later requests."""
        channel = self._known.get(identifier) or self._fetch(identifier)
        return channel.borrow() if channel else None

    def add(self, identifier, descriptor):
        """From the control thread: a channel that was asked for."""
        with self._news:
            former = self._known.get(identifier)
            if former:
                former.retire()
            self._known[identifier] = Channel(identifier, descriptor)
            self._wanted.discard(identifier)
            self._tell_news()

    def refuse(self, identifier):
        """From the control thread: the agent knows no such channel."""
        with self._news:
            self._wanted.discard(identifier)
            self._tell_news()

    def drop(self, identifier):
        """The channel will not be used again."""
        with self._news:
            channel = self._known.pop(identifier, None)
        if channel:
            channel.retire()

    def forget(self):
        """Another pool process serves. The former one answers nothing any more, and its channels
        are of no use for new requests."""
        with self._news:
            former, self._known = self._known, {}
            self._wanted.clear()
            self._tell_news()
        for channel in former.values():
            channel.retire()

    def stop(self):
        """The agent has gone: no more channels come."""
        with self._news:
            self._closed = True
            self._tell_news()

    def close_all(self):
        """In a process that the application forked, where another thread may have had the lock."""
        for channel in self._known.values():
            channel.close()
        self._known = {}

    def _fetch(self, identifier):
        with self._news:
            self._ask(identifier)
            deadline = monotonic() + self.patience
            while identifier not in self._known and identifier in self._wanted and not self._closed:
                left = deadline - monotonic()
                if left <= 0:
                    return None
                self._news.wait(left)
            return self._known.get(identifier)

    def _ask(self, identifier):
        """With the lock."""
        if identifier not in self._known and identifier not in self._wanted and not self._closed:
            self._wanted.add(identifier)
            try:
                self._control.write(frames.FETCH, identifier)
            except OSError as error:
                self._closed = error.errno in _GONE
                # Such as ENOBUFS: the channel's next request asks again.
                self._wanted.discard(identifier)

    def _tell_news(self):
        """With the lock."""
        self._news.notify_all()
        if self.on_news:
            self.on_news()


def _check_gone(error):
    """Raises ClientGone if the error of a send says that the child has shut the channel down."""
    if error.errno in _GONE:
        raise ClientGone("the client has closed its connection") from error


def _rights(descriptor):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))]


def close_descriptors(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)
