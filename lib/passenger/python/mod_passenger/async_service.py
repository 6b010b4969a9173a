"""Serves an ASGI application: many requests at once, on an event loop in the main thread."""

import asyncio
import contextvars
import sys
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from time import monotonic_ns

from . import backtraces, forked, import_loop, layout, log, transfer
from .asgi import HttpRequest
from .body import BodySource
from .channels import BodyBrokenOff, BodyNotReceived, ClientGone
from .lifespan import Lifespan
from .place import Place
from .request_handler import environment_of
from .source import Source
from .websocket import WebSocketRequest, is_upgrade


_MOMENT = 0.1
# Seconds that the application has for its lifespan shutdown, and then its tasks for their end.
_SHUTDOWN_WITHIN = 10
_TASKS_WITHIN = 5
# asyncio lets them out of a task of the application.
_EXITS = (SystemExit, KeyboardInterrupt)


class AsyncService:
    """All but the constructor, pause(), resume() and replace() is called in the main thread."""

    waits_in_loop = True

    def __init__(self, application, handover, channels, events, takes_all):
        """`events`: what the instance is told (AppInstance). `takes_all`: nothing limits its
        requests at once."""
        self._application = application
        self._takes_all = takes_all
        self._channels = channels
        self._events = events
        self._loop = None
        self._lifespan = None
        # The sources of requests: those of former pool processes, then that of the present one.
        self._sources = [Source(handover)]
        self._paused = handover.serve.paused
        self._finished = self._is_fork = False
        self._tasks = set()
        self._connections = set()
        self._waiting = []
        # Tasks of requests begin with it. Otherwise one request would see the context variables of
        # another.
        self._context = None
        self._begins_paused = handover.serve.paused
        # The places and tasks of requests of PassengerWarmUp; None: they are over.
        self._warming = None
        # Tasks of requests that took too long there. The loop itself keeps no tasks.
        self._hanging = []

    def prepare(self):
        """Before the first request. Raises what the application raises in its startup."""
        self._loop = import_loop.waiting()[0] or _new_loop()
        self._context = contextvars.copy_context()
        asyncio.set_event_loop(self._loop)
        backtraces.show_tasks_of(self._loop)
        self._lifespan = Lifespan(self._application)
        error = self._loop.run_until_complete(self._lifespan.start())
        if error:
            raise error

    def warm_up(self):
        """The handover is that of the requests of PassengerWarmUp. Before run()."""
        self._warming = []

    def run(self, endings):
        """Returns when the instance is to end. Requests may still be in work."""
        self._channels.on_news = lambda: self._call(self._look_at_channels)
        with suppress(*_EXITS):
            self._run_loop(self._serve(endings))

    def finish(self, within):
        """Waits for the requests in work, so many seconds. Returns the number of those that are
        left."""
        finishing = self._loop.create_task(self._finish(within))
        while not finishing.done():
            with suppress(*_EXITS):
                self._run_loop(finishing)
        return finishing.result()

    def pause(self):
        self._call(self._pause)

    def resume(self):
        self._call(self._resume)

    def replace(self, handover):
        if self._warming is None:
            # Another pool process does not wait for an application that is busy.
            self._events.ready()
        else:
            # With a loop that stands still the instance has not started.
            self._call(self._events.ready)
        self._call(self._replace, handover)

    def let_go(self):
        """In a process that the application forked, which must not take or answer requests."""
        self._is_fork = True
        for source in self._sources:
            source.let_go()
        transfer.let_go()
        if self._loop is None:
            # A hook of the instance's start forks.
            return
        # Its epoll instance is the parent's: this process must not wait with it.
        self._loop.stop()
        # Perhaps the thread that forked is a worker of the loop. It has no loop to which it could
        # give its result.
        self._loop.call_soon_threadsafe = _end_thread

    def _run_loop(self, future):
        try:
            self._loop.run_until_complete(future)
        finally:
            if self._is_fork:
                # A task of the application has returned in a process that it has forked.
                forked.end(sys.exc_info()[1])

    def _call(self, function, *arguments):
        """From the control thread."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop has ended.
            pass

    async def _serve(self, endings):
        ended = self._loop.create_future()

        def look():
            if endings.came() and not ended.done():
                ended.set_result(None)

        self._loop.add_reader(endings.fileno(), look)
        self._watch()
        if self._begins_paused:
            self._events.paused()
        await ended
        self._loop.remove_reader(endings.fileno())

    async def _finish(self, within):
        self._end_warm_up()
        self._finished = True
        self._watch()
        self._tell_if_idle()
        for connection in list(self._connections):
            self._start(connection.go_away())
        deadline = self._loop.time() + within
        while self._tasks and self._loop.time() < deadline:
            await asyncio.wait(set(self._tasks), timeout=deadline - self._loop.time())
        left = len(self._tasks)
        try:
            await asyncio.wait_for(self._lifespan.stop(), _SHUTDOWN_WITHIN)
        except asyncio.TimeoutError:
            log.event("hook.failed", hook="lifespan.shutdown", reason="it took more than %d s" % _SHUTDOWN_WITHIN)
        if not left:
            await self._end_tasks()
        return left

    async def _end_tasks(self):
        """As asyncio.run() does it. Not if requests are left: some tasks may be theirs. They keep
        their claims, so that the agent sends LOST."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            ended, _ = await asyncio.wait(tasks, timeout=_TASKS_WITHIN)
            for task in ended:
                if not task.cancelled() and task.exception():
                    self._loop.call_exception_handler(
                        {"message": "a task failed at the instance's end", "exception": task.exception(), "task": task})
        try:
            await asyncio.wait_for(self._loop.shutdown_asyncgens(), _TASKS_WITHIN)
        except asyncio.TimeoutError:
            pass

    def _pause(self):
        if self._paused or self._finished:
            return
        self._paused = True
        self._watch()
        self._tell_if_idle()

    def _resume(self):
        if not self._paused or self._finished:
            return
        self._paused = self._begins_paused = False
        self._watch()
        self._events.resumed()

    def _replace(self, handover):
        if self._finished:
            handover.close()
            return
        self._end_warm_up()
        self._sources.append(Source(handover))
        was_paused, self._paused = self._paused, handover.serve.paused
        self._watch()
        self._forget_former()
        if self._paused and not was_paused:
            self._tell_if_idle()

    def _end_warm_up(self):
        """Ends requests that are still in work. Those without an answer are cancelled. The
        application may go on in spite of it, and the instance's end does not wait for it."""
        warming, self._warming = self._warming or [], None
        for place, task in warming:
            # Without a channel the application is not called.
            if place.free or not place.request:
                continue
            if place.request.finished:
                self._conclude(place, place.request)
                continue
            task.cancel()
            task.add_done_callback(partial(_leave, place))
            self._tasks.discard(task)
            self._hanging.append(task)
            place.claim.complete()
            self._events.answered()
            self._give_back(place)

    def _tell_if_idle(self):
        if any(source.busy for source in self._sources):
            return
        if self._finished:
            # The task of the last request is about to end.
            self._loop.call_later(_MOMENT, self._tell_of_streams)
        elif self._paused:
            self._events.paused()

    def _tell_of_streams(self):
        """Another instance may serve while event streams go on."""
        if self._tasks:
            self._events.paused()

    def _watch(self):
        """Reads from the queues from which requests may be taken now, and from no others."""
        opened = not self._paused and not self._finished
        for source in self._sources:
            source.watch(self._loop, opened, self._readable)

    def _readable(self, source):
        """One request for each turn of the loop: other processes take requests, too."""
        if not source.cells or self._paused or self._finished:
            return
        message = source.queue.take()
        if message:
            place = Place(source, source.cells.pop())
            task = self._start(self._handle(place, message, monotonic_ns()))
            if self._warming is not None:
                self._warming.append((place, task))
            source.busy += 1
            if source.is_missing():
                # No event tells of the next one.
                self._loop.call_soon(self._readable, source)
            elif not source.cells:
                self._watch()
        elif message is not None and source.queue.ended():
            source.ended = True
            self._watch()
            self._forget_former()
        else:
            # The own queue has ended, or another process has taken the message.
            self._watch()

    def _forget_former(self):
        for source in self._sources[:-1]:
            if source.ended and not source.busy:
                self._sources.remove(source)
                source.let_go()

    def _look_at_channels(self):
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _channel(self, identifier):
        """None: its child is gone, or the agent does not answer. A late answer counts for later
        requests."""
        was_asked = False
        deadline = self._loop.time() + self._channels.patience
        while True:
            # Before the question: the answer may come at once.
            news = self._loop.create_future()
            self._waiting.append(news)
            channel = self._channels.borrow_now(identifier, was_asked)
            if channel is not False:
                self._waiting.remove(news)
                return channel
            was_asked = True
            await asyncio.wait({news}, timeout=deadline - self._loop.time())
            if not news.done():
                self._waiting.remove(news)
                return None

    async def _handle(self, place, message, taken_at):
        try:
            # Otherwise the message names no channel for an answer.
            if len(message) < layout.REQUEST.size:
                log.complaint("request.malformed", bytes=len(message))
            else:
                fields = layout.REQUEST.unpack_from(message)
                # Without a channel the request is not claimed and not run: the child finds it not
                # begun.
                place.channel = await self._channel(fields[4])
                if place.channel is not None:
                    await self._answer(place, fields, message, taken_at)
        except GeneratorExit:
            # The process ends without an answer. The claim stays, so that the agent sends LOST.
            raise
        except BaseException as error:
            # The claim stays here, too.
            log.exception("instance.thread_failed", error, thread="loop")
            self._events.thread_ended()
            return
        self._give_back(place)

    def _give_back(self, place):
        if place.free:
            return
        place.free = True
        source = place.source
        source.cells.append(place.cell)
        source.busy -= 1
        if len(source.cells) == 1:
            self._watch()
        self._forget_former()
        self._tell_if_idle()

    async def _answer(self, place, fields, message, taken_at):
        version, flags, resends, head_length, channel_id, ticket, sent_at = fields
        if not self._takes_all:
            # The place of a stream would go to a request, while the application is busy with the
            # stream.
            flags &= ~layout.STREAM_TRANSFERABLE
        place.claim = place.source.claim(place.cell)
        runs = place.claim.take(channel_id, ticket)
        queued = min(max((taken_at - sent_at) // 1000, 0), layout.QUEUED_LIMIT)
        request = HttpRequest(self._loop, place.channel, ticket, queued, place.source.handover.serve.sticky_id)
        if self._warming is not None:
            place.request = request
        # The application may go on for long, without a claim.
        request.handed_over = partial(self._conclude, place)
        try:
            if not runs:
                await request.skip()
            elif version != layout.VERSION:
                await request.refuse("version %d" % version)
            elif len(message) > layout.MESSAGE_LIMIT or head_length > layout.REQUEST_HEAD_LIMIT:
                await request.refuse("the message or its head is too long")
            elif flags & layout.STREAM:
                await request.refuse("Python instances take no stream exchanges")
            else:
                request = await self._run(request, flags, resends, head_length, message)
        except (ClientGone, BodyBrokenOff):
            pass
        except BodyNotReceived:
            log.complaint("body.not_received", remedy="a higher limit of open files")
            await request.end_in_error(503, b"Service Unavailable")
        except GeneratorExit:
            raise
        except BaseException as error:
            log.exception("request.failed", error)
        await request.end_in_error()
        self._conclude(place, request)
        if request.exits:
            self._events.thread_ended()
        if isinstance(request, WebSocketRequest) and request.accepted:
            # A connection of its own by now: it has no claim.
            self._start(self._converse(request))

    def _conclude(self, place, request):
        """The claim is cleared only after the last message. If that cannot be sent because the
        child has gone, the channel is not used again."""
        if place.free:
            return
        request.close()
        if not request.finished:
            self._channels.drop(place.channel.id)
        if request.skipped:
            place.claim.clear()
        else:
            place.claim.complete()
        place.channel.give_back()
        if not request.skipped:
            self._events.answered()
        self._give_back(place)

    async def _converse(self, connection):
        self._connections.add(connection)
        if self._finished:
            self._start(connection.go_away())
        try:
            await connection.converse()
        finally:
            self._connections.discard(connection)
        if connection.exits:
            self._events.thread_ended()

    def _start(self, coroutine):
        task = self._context.run(self._loop.create_task, coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _call_application(self, *arguments):
        try:
            await self._application(*arguments)
        except BaseException as error:
            if self._is_fork and not isinstance(error, SystemExit):
                log.exception("request.failed", error)
            raise
        finally:
            if self._is_fork:
                # The loop must not go on in a process that the application forked: it shares the
                # pipe that wakes the parent's loop, and would take a wake-up from it.
                forked.end(sys.exc_info()[1])

    async def _run(self, request, flags, resends, head_length, message):
        request.takes_trailers = bool(flags & layout.TAKES_TRAILERS)
        begin = layout.REQUEST.size
        head = message[begin : begin + head_length]
        body = message[begin + head_length :]
        if flags & layout.BODY_FOLLOWS:
            source = BodySource(request.channel, request.ticket - resends, request.ticket)
            await request.take_body(source, head_length - len(head), flags & layout.BODY_IN_FILE)
            head += request.rest_of_head
        elif len(head) < head_length:
            await request.refuse("the head ends early")
            return request
        else:
            request.body = body
        request.transferable = bool(flags & layout.TRANSFERABLE)
        environment = environment_of(head, 0, head_length)
        if is_upgrade(environment):
            request = WebSocketRequest(request)
        else:
            request.stream_transferable = bool(flags & layout.STREAM_TRANSFERABLE)
        await request.run(self._call_application, environment, flags & layout.HEAD_REQUEST, self._lifespan.state)
        return request


def _leave(place, _task):
    """The place is another request's by now."""
    place.request.close()
    place.channel.give_back()


def _end_thread(*arguments, **_):
    """In place of giving the loop what a thread has made (anyio), or a future with it
    (concurrent.futures)."""
    for one in arguments:
        if isinstance(one, Future) and one.done() and not one.cancelled():
            one = one.exception()
        if isinstance(one, SystemExit):
            forked.end(one)
    forked.end()


def _new_loop():
    """uvloop's where it is installed, unless the application has chosen a policy."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    # asyncio.get_event_loop_policy() warns from Python 3.14 on, and 3.16 lacks it.
    policy = getattr(asyncio.events, "_event_loop_policy", None)
    if policy is None or type(policy).__module__.startswith("asyncio."):
        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
