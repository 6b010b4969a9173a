"""Tests what an error of a send means."""

import errno
import os
import socket
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("PASSENGER_LIB", os.path.join(HERE, "../../lib/passenger")), "python"))

from mod_passenger import frames, layout  # noqa: E402
from mod_passenger.channels import Channel, Channels, ClientGone  # noqa: E402

_TOO_LONG = b"x" * 32768


class ChannelTest(unittest.TestCase):
    def setUp(self):
        self.child, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # As with a small net.core.wmem_default.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.channel = Channel(7, ours.detach())
        self.addCleanup(self.channel.close)
        self.addCleanup(self.child.close)

    def test_a_message_that_the_kernel_refuses_does_not_say_that_the_client_has_left(self):
        for send in (self.channel.send, self.channel.send_now):
            with self.assertRaises(OSError) as raised:
                send(1, layout.DATA, 0, body=_TOO_LONG)
            self.assertEqual(errno.EMSGSIZE, raised.exception.errno)
            self.assertNotIsInstance(raised.exception, ClientGone)

    def test_the_end_of_the_child_says_that_the_client_has_left(self):
        self.child.close()
        for send in (self.channel.send, self.channel.send_now):
            self.assertRaises(ClientGone, send, 1, layout.DATA, 0, body=b"x")

    def test_a_process_that_the_application_forked_has_no_client(self):
        self.channel.close()
        self.assertRaises(ClientGone, self.channel.send, 1, layout.DATA, 0, body=b"x")


class Control:
    def __init__(self):
        self.frames = []
        self.errors = []

    def write(self, *frame):
        if self.errors:
            raise OSError(self.errors.pop(), "")
        self.frames.append(frame)


class ChannelsTest(unittest.TestCase):
    def setUp(self):
        self.control = Control()
        self.channels = Channels(self.control, 0.01)
        self.addCleanup(self.channels.close_all)

    def add(self, identifier):
        child, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(child.close)
        self.channels.add(identifier, ours.detach())

    def test_an_agent_that_does_not_answer_holds_no_thread(self):
        self.assertEqual([None, None], [self.channels.borrow(7), self.channels.borrow(7)])
        self.assertEqual([(frames.FETCH, 7)], self.control.frames)
        # The late answer.
        self.add(7)
        self.assertEqual(7, self.channels.borrow(7).id)

    def test_a_late_refusal_answers_no_later_request(self):
        for _ in range(2):
            self.assertIsNone(self.channels.borrow(7))
            self.channels.refuse(7)
        self.assertEqual(2 * [(frames.FETCH, 7)], self.control.frames)

    def test_a_refusal_answers_those_who_have_asked(self):
        self.assertIs(False, self.channels.borrow_now(7))
        self.channels.refuse(7)
        self.assertIsNone(self.channels.borrow_now(7, was_asked=True))
        self.assertEqual([(frames.FETCH, 7)], self.control.frames)

    def test_a_question_that_cannot_be_sent_is_asked_again(self):
        for borrow in (self.channels.borrow, self.channels.borrow_now):
            self.control.errors = [errno.ENOBUFS]
            self.assertIsNone(borrow(7))
        self.assertIs(False, self.channels.borrow_now(7))
        self.assertEqual([(frames.FETCH, 7)], self.control.frames)

    def test_an_agent_that_has_gone_is_asked_nothing(self):
        self.control.errors = [errno.EPIPE]
        self.assertIsNone(self.channels.borrow(7))
        self.assertIsNone(self.channels.borrow_now(8))
        self.assertEqual([], self.control.frames)


if __name__ == "__main__":
    unittest.main()
