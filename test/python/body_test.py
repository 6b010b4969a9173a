"""The body of a WSGI request that a thread of the application still reads when the answer ends."""

import os
import socket
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import layout, wsgi  # noqa: E402
from mod_passenger.body import BodySource  # noqa: E402
from mod_passenger.channels import BodyBrokenOff, Channel  # noqa: E402
from mod_passenger.reply import Reply  # noqa: E402

_SECONDS = 30


class BodyTest(unittest.TestCase):
    def setUp(self):
        self.child, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.child.close)
        self.channel = Channel(1, other.detach())
        self.addCleanup(self.channel.close)
        self.error = None
        self.waits = threading.Event()

    def open_request(self, ticket):
        self.reply = Reply(self.channel, ticket, 0, 0)
        self.source = self.reply.body_source = BodySource(self.channel, ticket, ticket)

    def send_body(self, ticket, data, flags=layout.LAST):
        self.child.send(layout.REPLY.pack(ticket, layout.BODY, flags, 0, 0, 0, 0) + data)

    def read_in_thread(self, read):
        """Returns when the thread waits for a message."""
        def run():
            try:
                read()
            except Exception as error:
                self.error = error

        await_message = self.channel.await_message

        def wait():
            self.waits.set()
            await_message()

        self.channel.await_message = wait
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.assertTrue(self.waits.wait(_SECONDS))
        return thread

    def assert_nothing_was_taken(self, thread, ticket):
        thread.join(_SECONDS)
        self.assertIsInstance(self.error, BodyBrokenOff)
        self.assertEqual(b"the next request's", BodySource(self.channel, ticket, ticket).next_piece())

    def test_a_thread_that_waits_while_the_answer_ends_takes_no_message(self):
        with tempfile.TemporaryFile() as file:
            lasts = (lambda: self.reply.respond(200, b"", b"", True), lambda: self.reply.data(b"", True),
                     lambda: self.reply.abort(), lambda: self.reply.file(file.fileno(), 0, 1))
            for ticket, last in enumerate(lasts):
                with self.subTest(ticket=ticket):
                    self.waits.clear()
                    self.error = None
                    self.open_request(ticket)
                    thread = self.read_in_thread(self.source.next_piece)
                    last()
                    self.send_body(ticket + 1, b"the next request's")
                    self.assert_nothing_was_taken(thread, ticket + 1)

    def test_a_thread_that_waits_in_the_stream_does_not_hold_the_handler(self):
        self.open_request(1)
        threads = []

        def application(environment, start):
            threads.append(self.read_in_thread(environment["wsgi.input"].read))
            start("202 Accepted", [])
            return [b""]

        adapter = wsgi.WsgiAdapter(application, 1)
        arguments = {"CONTENT_LENGTH": "100"}, self.source, None, self.reply, False
        handler = threading.Thread(target=adapter.call, args=arguments, daemon=True)
        handler.start()
        handler.join(_SECONDS)
        self.assertFalse(handler.is_alive())
        self.send_body(2, b"the next request's")
        self.assert_nothing_was_taken(threads[0], 2)

    def test_a_channel_that_closes_breaks_the_body_off(self):
        self.open_request(1)
        self.assertFalse(self.channel.hung_up())
        self.channel.close()
        self.channel.await_message()
        self.assertTrue(self.channel.hung_up())
        self.assertRaises(BodyBrokenOff, self.source.next_piece)


if __name__ == "__main__":
    unittest.main()
