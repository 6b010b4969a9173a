"""The child's answer to WANTS_CLIENT, as a coroutine of an ASGI instance gets it."""

import asyncio
import os
import socket
import sys
import tempfile
import unittest
from array import array

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import transfer  # noqa: E402
from mod_passenger.channels import ClientGone  # noqa: E402
from mod_passenger.transfer import transferred  # noqa: E402


def descriptors():
    return len(os.listdir("/proc/self/fd"))


class TransferTest(unittest.TestCase):
    def setUp(self):
        self.stream, self.child = socket.socketpair()

    def tearDown(self):
        self.stream.close()
        self.child.close()

    def answer(self, byte, *files):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [file.fileno()])) for file in files]
        self.child.sendmsg([byte], rights)

    def transfer(self):
        async def run():
            return await transferred(asyncio.get_running_loop(), self.stream)

        return asyncio.run(run())

    def assert_gone(self):
        with self.assertRaises(ClientGone):
            self.transfer()
        self.assertEqual(-1, self.stream.fileno())

    def test_the_clients_own_socket_comes(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            accepted = server.accept()[0]
        self.answer(b"C", accepted)
        accepted.close()
        with client, self.transfer() as given:
            self.assertEqual(client.getsockname(), given.getpeername())
            self.assertFalse(os.get_inheritable(given.fileno()))
            given.send(b"hello")
            self.assertEqual(b"hello", client.recv(10))

    def test_a_forked_process_lets_the_clients_sockets_go(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            accepted = server.accept()[0]
        self.answer(b"C", accepted)
        accepted.close()
        given = self.transfer()
        ready, alive = socket.socketpair()
        with client, ready, alive:
            forked = os.fork()
            if not forked:
                try:
                    client.close()
                    alive.close()
                    transfer.let_go()
                    ready.send(b".")
                    ready.recv(1)
                finally:
                    os._exit(0)
            self.assertEqual(b".", alive.recv(1))
            given.close()
            client.settimeout(30)
            self.assertEqual(b"", client.recv(10))
            alive.send(b".")
            os.waitpid(forked, 0)

    def test_the_child_passes_the_bytes_on(self):
        self.answer(b"R")
        self.assertIs(self.stream, self.transfer())

    def test_a_child_that_has_ended_is_a_client_that_has_gone(self):
        self.child.close()
        self.assert_gone()

    def test_another_file_is_a_client_that_has_gone_and_is_closed(self):
        before = descriptors()
        with tempfile.TemporaryFile() as file, self.child:
            self.answer(b"C", file)
            self.assert_gone()
        self.assertEqual(before - 2, descriptors())

    def test_an_unknown_answer_is_a_client_that_has_gone(self):
        self.answer(b"X")
        self.assert_gone()


if __name__ == "__main__":
    unittest.main()
