"""What an ASGI application sends, and the messages that become of it."""

import asyncio
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import layout  # noqa: E402
from mod_passenger.asgi_answer import AsgiAnswer  # noqa: E402

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1"), (b"transfer-encoding", b"chunked")]}
PROMISE = {**START, "trailers": True}
HEAD = b"x-a: 1\r\n"
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"7")]}


def body(text=b"", more=False):
    return {"type": "http.response.body", "body": text, "more_body": more}


class Exchange:
    """Keeps what the answer gives it."""

    stream_transferable = False
    stream = None

    def __init__(self, takes_trailers=False):
        self.takes_trailers = takes_trailers
        self.started = self.finished = False
        self.sent = []
        self.dropped = []

    async def respond(self, status, head, first, last):
        assert isinstance(first, bytes)
        self.started = True
        self._keep(last, "head", status, head, first)

    async def send_data(self, data, last):
        assert isinstance(data, bytes)
        self._keep(last, "data", data)

    async def send_message(self, type_, flags, status, _length, _queued, _sticky_id, head):
        self._keep(flags & layout.LAST, type_, status, head)

    def begin_to_drop(self):
        assert not self.finished

    async def drop(self, last):
        self.dropped.append(last)

    def _keep(self, last, *message):
        self.finished = bool(last)
        self.sent.append((*message, *(["last"] if last else [])))


class AsgiAnswerTest(unittest.TestCase):
    def sent(self, *messages, exchange=None, head_request=False):
        """The messages that become of these."""
        exchange = exchange or Exchange()
        answer = AsgiAnswer(exchange, head_request)

        async def run():
            for message in messages:
                await answer.send(message)

        asyncio.run(run())
        return exchange.sent

    def assert_refused(self, error, pattern, *messages, **more):
        with self.assertRaisesRegex(error, pattern):
            self.sent(*messages, **more)

    def test_the_head_goes_with_the_first_bytes_of_the_body(self):
        self.assertEqual([], self.sent(START))
        self.assertEqual([("head", 200, HEAD, b"a", "last")], self.sent(START, body(b"a")))
        self.assertEqual([("head", 200, HEAD, b""), ("data", b"a"), ("data", b"", "last")],
                         self.sent(START, body(b"", True), body(b"a", True), body(b"", True), body()))

    def test_the_body_may_be_any_bytes(self):
        self.assertEqual([("head", 200, HEAD, b"a"), ("data", b"b", "last")],
                         self.sent(START, body(bytearray(b"a"), True), body(memoryview(b"b"))))

    def test_after_the_end_messages_have_no_effect(self):
        self.assertEqual(1, len(self.sent(START, body(b"a"), body(b"b"), START, {"type": "unknown"})))

    def test_an_answer_without_a_body_ends_with_its_head(self):
        self.assertEqual([("head", 200, HEAD, b"", "last")],
                         self.sent(START, body(b"a", True), body(b"b"), head_request=True))
        exchange = Exchange()
        self.sent(START, body(b"a", True), body(b"b", True), body(), exchange=exchange, head_request=True)
        self.assertEqual([False, True], exchange.dropped)
        exchange = Exchange(takes_trailers=True)
        trailers = {"type": "http.response.trailers"}
        self.sent({**START, "trailers": True}, body(b"a"), {**trailers, "more_trailers": True}, trailers,
                  exchange=exchange, head_request=True)
        self.assertEqual([False, True], exchange.dropped)
        for status in 204, 304:
            self.assertEqual([("head", status, HEAD, b"", "last")], self.sent({**START, "status": status}, body(b"a")))

    def test_trailers_end_an_answer_that_has_promised_them(self):
        more = {**TRAILERS, "more_trailers": True}
        self.assertEqual([("head", 200, HEAD, b"a"), (layout.TRAILERS, 0, b"x-sum: 7\r\nx-sum: 7\r\n", "last")],
                         self.sent(PROMISE, body(b"a"), more, TRAILERS, exchange=Exchange(True)))
        self.assertEqual([("head", 200, HEAD, b"a"), ("data", b"", "last")],
                         self.sent(PROMISE, body(b"a"), {**TRAILERS, "headers": []}, exchange=Exchange(True)))
        self.assertEqual([("head", 200, HEAD, b"a", "last")], self.sent(PROMISE, body(b"a"), TRAILERS))

    def test_hints_go_before_the_head_up_to_a_limit(self):
        hint = {"type": "http.response.early_hint", "links": [b"</a.css>", b"</b.css>"]}
        lines = b"link: </a.css>\r\nlink: </b.css>\r\n"
        self.assertEqual([(layout.INTERIM, 103, lines)] * 16, self.sent(*[hint] * 20))
        self.assertEqual(1, len(self.sent(START, body(b"a", True), hint)))

    def test_messages_out_of_order_are_refused(self):
        self.assert_refused(RuntimeError, "came twice", START, START)
        self.assert_refused(RuntimeError, "before http.response.start", body(b"a"))
        self.assert_refused(RuntimeError, "before the end of the body", START, TRAILERS)
        self.assert_refused(RuntimeError, "behind the end", PROMISE, body(b"a"), body(b"b"), exchange=Exchange(True))
        self.assert_refused(RuntimeError, "'other' is unknown", {"type": "other"})

    def test_values_that_httpd_cannot_send_are_refused(self):
        for status in 103, 1000, "200", None:
            self.assert_refused(ValueError, "from 200 to 999", {**START, "status": status})
        long = [(b"x", b"y" * 60000), (b"x", b"y" * 60000)]
        self.assert_refused(ValueError, "the trailer fields have", PROMISE, body(), {**TRAILERS, "headers": long},
                            exchange=Exchange(True))
        self.assert_refused(ValueError, "the early hints have",
                            {"type": "http.response.early_hint", "links": [value for _, value in long]})


if __name__ == "__main__":
    unittest.main()
