"""Which files go to httpd as a descriptor, and how, with and without native code."""

import array
import gzip
import io
import os
import socket
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("PASSENGER_LIB", os.path.join(HERE, "../../lib/passenger")), "python"))
sys.argv[0] = os.path.join(sys.path[0], "instance.py")  # native code is beside it

from mod_passenger import answer_file, channels, layout, log, native, reply, wsgi  # noqa: E402

# tmpfs.
FOLDER = "/dev/shm"
SIZE = 300000
CONTENT = bytes(range(250)) * (SIZE // 250)


class Shouting(io.BufferedReader):
    def read(self, size=-1):
        return super().read(size).upper()


class Proxy:
    """Passes read() on, as the files of Django do."""

    def __init__(self, file, method="read"):
        self.file = file
        self.method = method

    @property
    def read(self):
        return getattr(self.file, self.method)


class Own:
    """Has a descriptor, and other bytes."""

    def __init__(self, file):
        self.file = file

    def fileno(self):
        return self.file.fileno()

    def tell(self):
        return self.file.tell()

    def read(self, size=-1):
        return self.file.read(size).upper()


class AnswerFileTest(unittest.TestCase):
    def setUp(self):
        self.written = tempfile.NamedTemporaryFile(dir=FOLDER)
        self.addCleanup(self.written.close)
        self.written.write(CONTENT)
        self.written.flush()

    def opened(self, mode="rb", path=None, **more):
        file = open(path or self.written.name, mode, **more)
        self.addCleanup(file.close)
        return file

    def assert_rest(self, file, position):
        descriptor, begin, length = answer_file.rest_of(file)
        self.assertEqual((position, SIZE - position), (begin, length))
        self.assertEqual(CONTENT[position:], os.pread(descriptor, length, begin))

    def test_open_files_are_sent_from_their_position(self):
        for file in (self.opened(), self.opened(buffering=0), self.opened("r+b"), Proxy(self.opened()), self.written):
            self.written.seek(0)
            self.assert_rest(file, 0)
        file = self.opened()
        file.seek(1000)
        file.read(5)
        self.assert_rest(file, 1005)

    def test_what_was_written_last_is_sent_too(self):
        with tempfile.TemporaryFile(dir=FOLDER) as file:
            file.write(CONTENT)
            file.seek(7)
            self.assert_rest(file, 7)

    def test_objects_that_read_other_bytes_are_not_sent(self):
        compressed = self.written.name + ".gz"
        self.addCleanup(os.unlink, compressed)
        with gzip.open(compressed, "wb", 0) as file:
            file.write(CONTENT)
        unzipped = gzip.open(compressed)
        self.addCleanup(unzipped.close)
        shouting = Shouting(self.opened(buffering=0))
        self.addCleanup(shouting.close)
        for file in (io.BytesIO(CONTENT), unzipped, io.BufferedReader(unzipped), self.opened("r", encoding="latin-1"),
                     shouting, Own(self.opened()), Proxy(self.opened(), "readline"), object()):
            self.assertIsNone(answer_file.rest_of(file), file)

    def test_other_files_are_not_sent(self):
        closed = self.opened()
        closed.close()
        apart = open(self.written.name, "rb")
        apart.detach().close()
        at_the_end = self.opened()
        at_the_end.seek(SIZE - answer_file.LEAST + 1)
        beyond = self.opened()
        beyond.seek(SIZE + 1)
        reader, writer = os.pipe()
        self.addCleanup(os.close, writer)
        pipe = self.opened(path=reader, buffering=0)
        only_written = self.opened("wb", os.open(self.written.name, os.O_WRONLY), buffering=0)
        others = [closed, apart, at_the_end, beyond, pipe, only_written, self.opened(path="/dev/zero")]
        if os.access("/proc/kcore", os.R_OK):
            others.append(self.opened(path="/proc/kcore"))  # as large as the memory
        for file in others:
            self.assertIsNone(answer_file.rest_of(file), file)

    def test_files_without_a_mount_are_not_sent(self):
        descriptor = os.memfd_create("test")
        os.write(descriptor, CONTENT)
        self.assertIsNone(answer_file.rest_of(self.opened(path=descriptor)))


class Sent(unittest.TestCase):
    """Answers of a WSGI application, as the httpd child gets them."""

    def setUp(self):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.ours.close)
        self.channel = channels.Channel(1, theirs.detach())
        self.addCleanup(self.channel.close)
        self.file = tempfile.TemporaryFile(dir=FOLDER)
        self.addCleanup(self.file.close)
        self.file.write(CONTENT)
        self.file.seek(10)
        self.closed = False
        self.said = []
        self.addCleanup(setattr, log, "event", log.event)
        log.event = lambda name, **_: self.said.append(name)

    def answer(self, headers=(), head_request=False, takes_file=True, status="200 OK", first=b""):
        """The messages of the answer: type, flags, body; of a file its bytes."""
        def application(environment, start):
            write = start(status, list(headers))
            if first:
                write(first)
            return environment["wsgi.file_wrapper"](self.file)

        sent = reply.Reply(self.channel, 7, 0, 0)
        sent.takes_file = takes_file
        adapter = wsgi.WsgiAdapter(application, 1)
        thread = threading.Thread(target=adapter.call, args=({}, b"", None, sent, head_request))
        thread.start()
        pieces = [self.received()]
        while not pieces[-1][1] & layout.LAST:
            pieces.append(self.received())
        thread.join()
        self.assertTrue(sent.finished)
        self.assertTrue(self.file.closed)
        return pieces

    def received(self):
        self.ours.settimeout(60)
        message, controls, _, _ = self.ours.recvmsg(70000, 100)
        ticket, type_, flags, _, head_length, _, _ = layout.REPLY.unpack_from(message)
        self.assertEqual(7, ticket)
        body = message[layout.REPLY.size + head_length:]
        self.assertEqual([layout.ANSWER_FILE] if controls else [], [type_] * len(controls))
        for _, _, data in controls:
            descriptors = array.array("i", data)
            self.assertEqual(1, len(descriptors))
            offset, length = layout.FILE_RANGE.unpack(body)
            body = os.pread(descriptors[0], length, offset)
            os.close(descriptors[0])
        return type_, flags, body

    def test_the_head_and_the_file_are_two_messages(self):
        self.assertEqual([(layout.RESPONSE, 0, b""), (layout.ANSWER_FILE, layout.LAST, CONTENT[10:])], self.answer())

    def test_the_wrapper_is_an_iterator_that_seeks(self):
        pieces = iter(wsgi.FileWrapper(self.file))
        pieces.seek(SIZE - 3)
        self.assertEqual([CONTENT[-3:]], list(pieces))

    def test_what_was_written_before_comes_first(self):
        self.assertEqual([(layout.RESPONSE, 0, b"first"), (layout.ANSWER_FILE, layout.LAST, CONTENT[10:])],
                         self.answer(first=b"first"))

    def test_a_content_length_ends_the_file(self):
        length = answer_file.LEAST + 1
        headers = [("Content-Length", str(length))]
        self.assertEqual((layout.ANSWER_FILE, layout.LAST, CONTENT[10:length + 10]), self.answer(headers)[-1])
        self.assertEqual(["response.cut"], self.said)

    def test_little_of_a_file_goes_in_pieces(self):
        pieces = self.answer([("Content-Length", "100000")])
        self.assertEqual(b"".join(piece[2] for piece in pieces), CONTENT[10:100010])
        self.assertNotIn(layout.ANSWER_FILE, [piece[0] for piece in pieces])

    def test_a_length_that_the_file_does_not_have_is_left_to_the_child(self):
        headers = [("Content-Length", str(SIZE))]
        self.assertEqual((layout.ANSWER_FILE, layout.LAST, CONTENT[10:]), self.answer(headers)[-1])

    def test_answers_without_a_body_have_no_file(self):
        for head_request, status in ((True, "200 OK"), (False, "304 Not Modified"), (False, "204 No Content")):
            self.setUp()
            self.assertEqual([(layout.RESPONSE, layout.LAST, b"")], self.answer((), head_request, status=status))

    def test_a_child_that_takes_no_files_gets_pieces(self):
        pieces = self.answer(takes_file=False)
        self.assertEqual(CONTENT[10:], b"".join(piece[2] for piece in pieces))
        self.assertNotIn(layout.ANSWER_FILE, [piece[0] for piece in pieces])

    def test_a_kernel_that_takes_no_descriptor_gets_pieces(self):
        self.addCleanup(setattr, reply.Reply, "file", reply.Reply.file)
        reply.Reply.file = lambda *_: False
        pieces = self.answer()
        self.assertEqual(CONTENT[10:], b"".join(piece[2] for piece in pieces))

    def test_a_child_that_has_gone_is_no_error(self):
        self.ours.close()
        sent = reply.Reply(self.channel, 7, 0, 0)
        sent.takes_file = True
        wsgi.WsgiAdapter(lambda environment, start: start("200 OK", []) and wsgi.FileWrapper(self.file), 1).call(
            {}, b"", None, sent, False)
        self.assertEqual(([], True, False), (self.said, self.file.closed, sent.finished))


class SentWithoutNativeCode(Sent):
    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, native, "module", native.module)
        native.module = None


if __name__ == "__main__":
    unittest.main()
