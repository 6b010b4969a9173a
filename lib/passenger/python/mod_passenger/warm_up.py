"""The requests of PassengerWarmUp, which a new instance answers before it takes others.

This is not a health check: whatever comes of the requests, the instance serves."""

from . import log, threads
from .request_handler import environment_of

# Statuses from here on are failures.
_FAILURES = 500
# Seconds between two looks whether the agent has gone.
_LOOK = 0.1


class WarmUp:
    """Owned by the service, which calls the application."""

    def __init__(self, frame, control):
        """`frame`: a SERVE, whose time limit counts from now on. `control`: the socket that it came
        from."""
        self._control = control
        self._heads = frame.fields[9:]
        self._limit = frame.number(8, 0)
        self._deadline = threads.monotonic() + self._limit / 1000
        self._path = ""
        self._began = 0

    def __bool__(self):
        return bool(self._heads)

    def environments(self):
        """Yields the environment of each request, as httpd's children send it."""
        for head in self._heads:
            environment = environment_of(head, 0, len(head))
            self._path = environment.get("REQUEST_URI", "")
            self._began = threads.monotonic()
            yield environment

    def patience(self):
        """Seconds to wait before the next look at goes_on()."""
        return min(max(self._deadline - threads.monotonic(), 0), _LOOK)

    def goes_on(self):
        """False: the time is over, or the agent has gone or wants this instance no more. It sends
        nothing before READY."""
        return self.patience() > 0 and not self._control.readable()

    def answered(self, reply):
        """`reply` has the answer, unless the application gave none."""
        if not reply.status:
            self.failed(reason="the application did not answer")
        elif reply.aborted:
            self.failed(status=reply.status, reason="the answer was broken off")
        elif reply.status >= _FAILURES:
            self.failed(status=reply.status)
        else:
            log.event("warm_up.done", path=self._path, status=reply.status,
                      ms=round((threads.monotonic() - self._began) * 1000))

    def given_up(self):
        """The requests have not ended, and do not go on."""
        if not self.patience():
            self.failed(reason="no answer within %d ms of the instance's start" % self._limit)

    def failed(self, **fields):
        log.event("warm_up.failed", path=self._path, **fields)


class DroppedReply:
    """Takes the answer of a WSGI application in place of Reply."""

    takes_file = False

    def __init__(self):
        # 0: the application has not answered yet.
        self.status = 0
        self.started = self.finished = self.aborted = False

    def respond(self, status, _head, _body=b"", last=False):
        self.status = status
        self.started = True
        self.finished = last

    def data(self, _body, last=False):
        self.finished = self.finished or last

    def abort(self):
        self.finished = self.aborted = True

    def interim(self, status):
        pass


def run_in_thread(requests, call):
    """Calls `call` for each environment with its reply, in a thread as those that answer requests.
    Returns after the last answer, or when the requests do not go on: one that hangs goes on beside
    others, since Python ends no threads."""
    ended = threads.Condition()
    state = {"ended": False, "given_up": False}

    def answer_all():
        try:
            for environment in requests.environments():
                reply = DroppedReply()
                call(environment, reply)
                if state["given_up"]:
                    return
                requests.answered(reply)
        except BaseException as error:
            if not state["given_up"]:
                requests.failed(exception=log.class_of(error), message=log.message_of(error))
        finally:
            with ended:
                state["ended"] = True
                ended.notify_all()

    threads.start("Passenger warm-up", answer_all)
    with ended:
        while not state["ended"] and requests.goes_on():
            ended.wait(requests.patience())
        state["given_up"] = not state["ended"]
    if state["given_up"]:
        requests.given_up()
