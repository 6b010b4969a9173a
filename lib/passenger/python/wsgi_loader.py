"""Runs a WSGI application for its bridge: one request at a time, over the Unix socket that PASSENGER_SOCKET names.

Started as `PYTHON wsgi_loader.py STARTUP_FILE` in the application's folder. Uses Python's standard library only.
"""

import importlib.machinery
import importlib.util
import numbers
import os
import socketserver
import sys
import tempfile
import urllib.parse
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

BODY_IN_MEMORY = 1024 * 1024


def set_title(title):
    """Writes what ps shows over the arguments of this process. Does nothing where that is not possible."""
    try:
        # Imported here: Python may have been built without it.
        import ctypes

        with open("/proc/self/stat", encoding="latin-1") as file:
            fields = file.read().rpartition(") ")[2].split()
        begin, end = int(fields[45]), int(fields[46])
        text = title.encode("utf-8", "surrogateescape")[: end - begin - 1]
        ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)
        pr_set_name = 15
        ctypes.CDLL(None).prctl(pr_set_name, b"PythonApp", 0, 0, 0)
    except (ImportError, OSError, ValueError, IndexError, AttributeError):
        pass


class StartupFileLoader(importlib.machinery.SourceFileLoader):
    """Compiles the file each time. Python's cache misses a change within a second that keeps the file's size."""

    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)


def load_application(path):
    """Returns the object `application` of the startup file."""
    path = os.path.abspath(path)
    sys.path.insert(0, os.path.dirname(path))
    # As for the startup file: a developer's change must not be missed.
    sys.dont_write_bytecode = sys.dont_write_bytecode or os.environ.get("WSGI_ENV") == "development"
    # The file name may end with anything; the content is Python.
    loader = StartupFileLoader("passenger_wsgi", path)
    spec = importlib.util.spec_from_file_location("passenger_wsgi", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "application", None)):
        sys.exit('%s defines no "application". Define it, for example: application = Flask(__name__)' % path)
    return module.application


class LimitedReader:
    """The body of one request. Reading stops at its end, and does not wait for the next request.

    `ask` is called before the first read."""

    def __init__(self, stream, length, ask):
        self._stream = stream
        self._left = length
        self._ask = ask

    def read(self, size=-1):
        return self._take(self._stream.read, size)

    def readline(self, size=-1):
        return self._take(self._stream.readline, size)

    def readlines(self, hint=-1):
        return list(self)

    def __iter__(self):
        return iter(self.readline, b"")

    def _take(self, method, size):
        if size is None or size < 0 or size > self._left:
            size = self._left
        if not size:
            return b""
        if self._ask:
            self._ask()
            self._ask = None
        data = method(size)
        whole = len(data) == size or (method == self._stream.readline and data.endswith(b"\n"))
        if not whole:
            raise ConnectionError("the request's body was broken off")
        self._left -= len(data)
        return data


def read_chunked(stream):
    """Reads a body of unknown length whole: WSGI needs the length first."""
    body = tempfile.SpooledTemporaryFile(max_size=BODY_IN_MEMORY)
    while True:
        size = int(stream.readline(1024).split(b";")[0], 16)
        if size == 0:
            break
        while size > 0:
            data = stream.read(min(size, 65536))
            if not data:
                raise ConnectionError("the request's body was broken off")
            body.write(data)
            size -= len(data)
        stream.readline(1024)
    stream.readline(1024)
    length = body.tell()
    body.seek(0)
    return body, length


def read_environment(stream):
    """Returns the variables of a request as httpd has made them, or None if no request comes.

    A line with their size comes first, so that no byte of the client can become another variable."""
    size = stream.readline(32)
    if not size:
        return None
    text = stream.read(int(size))
    if len(text) != int(size):
        raise ConnectionError("the request's environment was broken off")
    # PEP 3333: text whose characters are bytes.
    fields = text.decode("latin-1").split("\0")
    return dict(zip(fields[0:-1:2], fields[1::2]))


class ApplicationHandler(ServerHandler):
    """Gives the application the request's variables, and none of this process."""

    os_environ = {}
    # Whether this process has printed the warning of a header whose value is a number.
    warned = False

    def start_response(self, status, headers, exc_info=None):
        """Takes numbers as values of headers, which PEP 3333 does not allow: Phusion Passenger takes them."""
        if isinstance(headers, list):
            headers = [self.with_text(header) for header in headers]
        return super().start_response(status, headers, exc_info)

    def with_text(self, header):
        if not (isinstance(header, tuple) and len(header) == 2 and isinstance(header[1], numbers.Number)):
            return header
        name, value = header
        if not ApplicationHandler.warned:
            ApplicationHandler.warned = True
            print("warning: the value of the header %s is the number %s; PEP 3333 wants a text: use str(). "
                  "Further numbers are converted without a warning" % (name, value), file=sys.stderr, flush=True)
        return name, str(value)

    def get_scheme(self):
        return "https" if self.environ.get("HTTPS") == "on" else "http"

    def client_is_modern(self):
        """The bridge speaks HTTP/1.1, whatever its client speaks."""
        return True


class RequestHandler(WSGIRequestHandler):
    """Reads a request of the bridge, which alone can connect.

    The bridge sends the environment, then an HTTP request head with the body's length or coding."""

    def get_environ(self):
        environ = self.variables
        for name in ("SCRIPT_NAME", "PATH_INFO"):
            environ[name] = urllib.parse.unquote(environ[name], "latin-1")
        # The bridge knows the body's length after httpd's filters and after chunked coding.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if "Content-Length" in self.headers:
            environ["CONTENT_LENGTH"] = self.headers["Content-Length"]
        return environ

    def handle(self):
        self.variables = read_environment(self.rfile)
        if self.variables is None:
            return
        self.raw_requestline = self.rfile.readline(1024)
        if not self.raw_requestline or not self.parse_request():
            return
        environ = self.get_environ()
        handler = None

        def ask():
            if not self.headers.get("Expect"):
                return
            if handler and handler.headers_sent:
                raise ConnectionError(
                    "the answer has begun, so the client is no longer asked for the request's body"
                )
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()

        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            ask()
            body, length = read_chunked(self.rfile)
            environ["CONTENT_LENGTH"] = str(length)
        else:
            body, length = self.rfile, int(self.headers.get("Content-Length", 0))
        handler = ApplicationHandler(LimitedReader(body, length, ask), self.wfile, self.get_stderr(), environ,
                                     multithread=False, multiprocess=True)
        handler.request_handler = self
        handler.run(self.server.get_app())

    def log_message(self, *_arguments):
        """Does nothing: httpd has an access log."""


class UnixServer(WSGIServer):
    address_family = socketserver.socket.AF_UNIX
    request_queue_size = 128

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name = "localhost"
        self.server_port = 0
        self.setup_environ()


def main():
    set_title("Passenger PythonApp: %s (%s)" % (os.getcwd(), os.environ.get("PASSENGER_APP_ENV")))
    application = load_application(sys.argv[1])
    server = UnixServer(os.environ["PASSENGER_SOCKET"], RequestHandler)
    server.set_app(application)
    server.serve_forever()


if __name__ == "__main__":
    main()
