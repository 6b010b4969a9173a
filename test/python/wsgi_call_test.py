"""What a WSGI application may do to the environment of its request."""

import os
import socket
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import layout, log, wsgi  # noqa: E402
from mod_passenger.channels import Channel  # noqa: E402
from mod_passenger.reply import Reply  # noqa: E402


class WsgiCallTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(setattr, log, "write", log.write)
        self.lines = []
        log.write = self.lines.append

    def answer(self, application):
        """The status."""
        child, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = Channel(1, other.detach())
        environment = {"SCRIPT_NAME": "/base", "PATH_INFO": "/path"}
        wsgi.WsgiAdapter(application, 1).call(environment, b"", None, Reply(channel, 1, 0, 0), False)
        message = child.recv(layout.MESSAGE_LIMIT)
        child.close()
        channel.close()
        return layout.REPLY.unpack_from(message)[3]

    def test_an_error_is_logged_whatever_the_application_has_made_of_the_path(self):
        for path, shown in ((None, "/baseNone"), (b"/x", "/baseb'/x'"), ("/x", "/base/x")):
            with self.subTest(path=path):
                def application(environment, _start):
                    environment["PATH_INFO"] = path
                    raise KeyError("own")

                self.lines.clear()
                self.assertEqual(500, self.answer(application))
                self.assertIn('path="%s" exception="KeyError"' % shown, self.lines[0])

    def test_an_error_in_close_is_logged_whatever_the_application_has_made_of_the_path(self):
        class Result:
            def __iter__(self):
                return iter([b"x"])

            def close(self):
                raise KeyError("own")

        def application(environment, start):
            environment["PATH_INFO"] = None
            start("200 OK", [])
            return Result()

        self.assertEqual(200, self.answer(application))
        self.assertIn('event=response.close_failed path="/baseNone" exception="KeyError"', self.lines[0])


if __name__ == "__main__":
    unittest.main()
