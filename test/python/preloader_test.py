"""What a preloader has loaded before it forks."""

import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(HERE, "../../lib/passenger/python")
# The control socket is at its end after LOADED.
PRELOADER = """
import socket, sys
from mod_passenger.application import Application
from mod_passenger.frames import FrameSocket
from mod_passenger.preloader import Preloader

mine, peer = socket.socketpair()
peer.shutdown(socket.SHUT_WR)
async def asgi(scope, receive, send): pass
def wsgi(environ, start_response): pass
application = {"asgi": asgi, "wsgi": wsgi}[sys.argv[1]]
Preloader(FrameSocket(mine.detach()), Application(application, sys.argv[1], 1)).run()
before = set(sys.modules)
import mod_passenger.async_service
print(sorted(name for name in set(sys.modules) - before if name.startswith("mod_passenger")))
"""


def loaded_later(form):
    """What the service of an ASGI application would import in an instance."""
    environment = dict(os.environ, PYTHONPATH=LIBRARY)
    return subprocess.check_output([sys.executable, "-c", PRELOADER, form], env=environment).decode().strip()


class PreloaderTest(unittest.TestCase):
    def test_instances_of_asgi_import_no_file_that_an_upgrade_may_have_replaced(self):
        self.assertEqual("[]", loaded_later("asgi"))

    def test_instances_of_wsgi_have_no_event_loop(self):
        self.assertIn("mod_passenger.async_service", loaded_later("wsgi"))


if __name__ == "__main__":
    unittest.main()
