"""Takes requests from the Group's queue and answers them, one after the other."""

from signal import SIGRTMIN, pthread_kill, signal
from time import monotonic_ns

from . import layout, log, native, threads
from .body import BodySource
from .channels import BodyBrokenOff, BodyNotReceived, ClientGone
from .reply import Reply

# Ends the sleep of a thread in reading.
_WAKING = SIGRTMIN + 7


def allow_waking():
    """Called by the main thread in each process that serves."""
    signal(_WAKING, lambda *_: None)


class RequestHandler:
    """Each handler thread owns one and calls it alone, except wake(), busy and abandoned.

    Always true: a request runs only after it was claimed, and if it was not withdrawn (Claim)."""

    def __init__(self, intake, index, channels, adapter, count):
        """`index`: the number of its thread. `count` is called after each answered request."""
        self._intake = intake
        self._index = index
        self._channels = channels
        self._adapter = adapter
        self._count = count
        self._handover = None
        self._queue = None
        self._claim = None
        self._taken_at = 0
        self._thread = None
        self.busy = False
        # This process is a fork: the request in work is the parent's.
        self.abandoned = False

    def run(self):
        """Runs until the intake is finished."""
        self._thread = threads.get_ident()
        try:
            while True:
                handover = self._intake.wait_for(self)
                if handover is None:
                    return
                self._use(handover)
                while self._intake.open:
                    message = self._take()
                    if not message:
                        break
                    self._handle(message)
        finally:
            self._thread = None

    def wake(self):
        """From another thread: ends the sleep in reading, so that the handler looks at the intake.
        No message is lost.

        False: a request is in work, or no thread runs."""
        thread = self._thread
        if self.busy or thread is None:
            return False
        try:
            pthread_kill(thread, _WAKING)
        except OSError:
            return False
        return True

    def let_go(self):
        """In a process that the application forked."""
        if self._claim:
            self._claim.close()

    def _use(self, handover):
        if handover is not self._handover:
            self._handover = handover
            self._queue = handover.queue
            self._claim = handover.claim(self._index)

    def _take(self):
        """The next message. None: the queue has ended, or no request is to be taken."""
        while True:
            message = self._queue.receive()
            if message:
                self._taken_at = monotonic_ns()
                self.busy = True
                return message
            if message is not None and self._queue.ended():
                self._intake.queue_ended(self._handover)
                return None
            if not self._intake.open:
                return None

    def _handle(self, message):
        try:
            # Otherwise the message names no channel for an answer.
            if len(message) < layout.REQUEST.size:
                log.complaint("request.malformed", bytes=len(message))
                return
            version, flags, resends, head_length, channel_id, ticket, sent_at = layout.REQUEST.unpack_from(message)
            # Without a channel the request is not claimed and not run: the child finds it not
            # begun.
            channel = self._channels.borrow(channel_id)
            if channel is None:
                return
            reply = None
            try:
                runs = self._claim.take(channel_id, ticket)
                queued = min(max((self._taken_at - sent_at) // 1000, 0), layout.QUEUED_LIMIT)
                reply = Reply(channel, ticket, queued, self._handover.serve.sticky_id)
                if not runs:
                    reply.skip()
                elif version != layout.VERSION:
                    self._refuse(reply, "version %d" % version)
                elif len(message) > layout.MESSAGE_LIMIT:
                    self._refuse(reply, "the message has more than %d bytes" % layout.MESSAGE_LIMIT)
                else:
                    self._respond(channel, reply, message, flags, head_length, resends)
            except (ClientGone, BodyBrokenOff):
                pass
            except BodyNotReceived:
                log.complaint("body.not_received", remedy="a higher limit of open files")
                self._adapter.end_in_error(reply, 503, "Service Unavailable")
            finally:
                self._conclude(channel, reply)
        finally:
            self.busy = False

    def _conclude(self, channel, reply):
        """The claim is cleared only after the last message. If that cannot be sent because the
        child has gone, the channel is not used again."""
        try:
            if self.abandoned and not reply.finished:
                return
            if not reply.finished:
                self._adapter.end_in_error(reply)
                if reply.finished:
                    log.event("request.failed", reason="the application did not finish its answer")
                else:
                    self._channels.drop(channel.id)
            if reply.skipped:
                self._claim.clear()
            else:
                self._claim.complete()
                self._count()
        finally:
            channel.give_back()

    def _respond(self, channel, reply, message, flags, head_length, resends):
        begin = layout.REQUEST.size
        here = len(message) - begin
        reply.takes_file = bool(flags & layout.TAKES_FILE)
        if flags & layout.STREAM:
            self._refuse(reply, "Python instances take no stream exchanges")
        elif head_length > layout.REQUEST_HEAD_LIMIT:
            self._refuse(reply, "the head has %d bytes" % head_length)
        elif flags & layout.BODY_FOLLOWS:
            source = reply.body_source = BodySource(channel, reply.ticket - resends, reply.ticket)
            head = message[begin : begin + head_length]
            if here < head_length:
                head += source.read_exactly(head_length - here)
            file = source.file() if flags & layout.BODY_IN_FILE else None
            self._adapter.call(environment_of(head, 0, head_length), source, file, reply, flags & layout.HEAD_REQUEST)
        elif here < head_length:
            self._refuse(reply, "the head ends early")
        else:
            environment = environment_of(message, begin, head_length)
            self._adapter.call(environment, message[begin + head_length :], None, reply, flags & layout.HEAD_REQUEST)

    def _refuse(self, reply, reason):
        log.complaint("request.malformed", reason=reason)
        self._adapter.refuse(reply)


def environment_of(data, begin, length):
    """PEP 3333: text whose characters are bytes. A zero byte ends each name and each value."""
    if native.module:
        return native.module.environment(data, begin, length)
    fields = data[begin : begin + length].decode("latin-1").split("\0")
    return dict(zip(fields[0:-1:2], fields[1::2]))
