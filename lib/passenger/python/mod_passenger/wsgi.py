"""Calls a WSGI application (PEP 3333) and sends its answer."""

import io
import numbers
import os
import re
import sys

from . import answer_file, forked, layout, log
from .body import BodyFile, Pieces, kept, length_of
from .channels import BodyBrokenOff, ClientGone
from .request_path import decoded

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAMES_KEPT = 256
_CONTINUE = 100
_ERROR = "Internal Server Error"


class FileWrapper:
    """wsgi.file_wrapper: the file goes to httpd as it is (answer_file), or in pieces of a size that
    suits a message, whatever size the application names."""

    def __init__(self, file, _block_size=8192):
        self._file = file
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self):
        """Itself: Flask seeks in the iterator for a range."""
        return self

    def __next__(self):
        data = self._file.read(layout.PAYLOAD_LIMIT)
        if data == b"":
            raise StopIteration
        return data

    def __getattr__(self, name):
        return getattr(self._file, name)

    def rest(self):
        """As answer_file.rest_of()."""
        return answer_file.rest_of(self._file)


class WsgiAdapter:
    """An instance has one for all its threads."""

    def __init__(self, application, threads):
        """`threads`: the number of threads that call the adapter."""
        self._application = application
        self._pid = os.getpid()
        self._server_variables = {
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": threads > 1,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }

    def call(self, environment, body, file, reply, head_request):
        """`environment`: the variables as the httpd child has sent them. `body`: the bytes, or a
        BodySource. `file`: descriptor and size of the body's file, or None."""
        answer = Answer(reply, head_request)
        stream = None
        result = ()
        try:
            stream = self._prepare(environment, body, file, reply)
            # In the thread's context: in one of its own each request of Django would connect to the
            # caches anew.
            result = self._application(environment, answer.start_response)
            answer.send(result)
        except ClientGone:
            pass
        except BodyBrokenOff:
            # Most often the httpd child is gone. If not, it must not wait for more.
            self.end_in_error(reply, 400, "Bad Request")
        except BaseException as error:
            is_fork = os.getpid() != self._pid
            if not (is_fork and isinstance(error, SystemExit)):
                log.exception("request.failed", error, **_subject_of(environment))
            if is_fork:
                forked.end(error)
            self.end_in_error(reply)
            if isinstance(error, SystemExit):
                # Ends the handler's thread, and so the instance.
                raise
        finally:
            self._close(result, environment)
            if stream is not None:
                stream.close()
        if os.getpid() != self._pid:
            forked.end()

    def refuse(self, reply, status=500, text=_ERROR):
        """Answers for an application that did not."""
        head = "Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(text)
        reply.respond(status, head.encode(), text.encode(), True)

    def end_in_error(self, reply, status=500, text=_ERROR):
        """Ends an answer that is not finished. If the httpd child is gone, nothing is sent."""
        try:
            if reply.started:
                reply.abort()
            else:
                self.refuse(reply, status, text)
        except ClientGone:
            pass

    def _prepare(self, environment, body, file, reply):
        """Completes the environment. Returns the body's stream if it is to be closed: not where a
        thread of the application may wait in it, with its lock."""
        for name in ("SCRIPT_NAME", "PATH_INFO"):
            if "%" in environment.get(name, ""):
                environment[name] = decoded(environment[name]).decode("latin-1")
        _keep_prefix(environment)
        environment.setdefault("SERVER_PROTOCOL", "HTTP/1.1")
        environment["wsgi.url_scheme"] = "https" if environment.get("HTTPS") == "on" else "http"
        stream = io.BytesIO(body) if isinstance(body, bytes) else None
        if stream is None:
            stream = self._stream_of(environment, body, file, reply)
        # httpd has removed the coding.
        environment.pop("HTTP_TRANSFER_ENCODING", None)
        environment["wsgi.input"] = stream
        environment.update(self._server_variables)
        return None if isinstance(stream, io.BufferedReader) and not file else stream

    def _stream_of(self, environment, source, file, reply):
        if file:
            environment["CONTENT_LENGTH"] = str(file[1])
            return io.BufferedReader(BodyFile(*file), layout.MESSAGE_LIMIT)
        length = length_of(environment)
        asks = "HTTP_EXPECT" in environment
        stream = io.BufferedReader(Pieces(source, length, _Asker(reply) if asks else None), layout.MESSAGE_LIMIT)
        if length is not None:
            return stream
        with stream:
            body, size = kept(stream)
        # Only the rest of a long head may have followed.
        if size or "CONTENT_LENGTH" in environment or "HTTP_TRANSFER_ENCODING" in environment:
            environment["CONTENT_LENGTH"] = str(size)
        return body

    @staticmethod
    def _close(result, environment):
        close = getattr(result, "close", None)
        if close is None:
            return
        try:
            close()
        except BaseException as error:
            log.exception("response.close_failed", error, **_subject_of(environment))


class _Asker:
    """Asks a client that waits for it (Expect) for the body."""

    def __init__(self, reply):
        self._reply = reply

    def __call__(self):
        if self._reply.started:
            raise ConnectionError("the answer has begun, so the client is no longer asked for the request's body")
        self._reply.interim(_CONTINUE)


class Answer:
    """What the application says with start_response, write and its result, for one request."""

    # Checked names, each with the text before its value. The limit is for applications that
    # generate names.
    _names = {}
    # Whether this process has printed the warning of a header whose value is a number.
    _warned = False

    __slots__ = ("_reply", "_head_request", "_status", "_head", "_left", "_surplus")

    def __init__(self, reply, head_request):
        self._reply = reply
        self._head_request = head_request
        self._status = 0
        self._head = None
        # Bytes up to Content-Length; None: the length is not known.
        self._left = None
        self._surplus = False

    def start_response(self, status, headers, exc_info=None):
        """As PEP 3333 says. Returns the function write()."""
        if exc_info:
            try:
                if self._reply.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._head is not None:
            raise AssertionError("start_response was called twice without exc_info")
        self._status = _code_of(status)
        self._left = None
        self._head = self._lines(headers)
        return self.write

    def write(self, data):
        """Sends a piece of the body at once."""
        if not isinstance(data, bytes):
            raise TypeError("the body must be bytes, not %s" % log.class_of(data))
        if self._head is None:
            raise AssertionError("write() was called before start_response()")
        self._send(data)

    def send(self, result):
        """Sends the body, and ends the answer."""
        if (type(result) is list or type(result) is tuple) and self._head is not None and not self._reply.started:
            self._finish(result[0] if len(result) == 1 else b"".join(result))
            return
        if type(result) is FileWrapper and self._reply.takes_file and self._send_file(result.rest()):
            self._finish(b"")
            return
        for piece in result:
            if not isinstance(piece, bytes):
                raise TypeError("the body must consist of bytes, not of %s" % log.class_of(piece))
            if self._head is None:
                raise AssertionError("the application did not call start_response before its first bytes")
            if self._has_no_body():
                break
            if piece:
                self._send(piece)
        self._finish(b"")

    def _send_file(self, rest):
        """`rest`: descriptor, position, and the number of bytes from there on, or None. False: it
        goes in pieces."""
        reply = self._reply
        if rest is None or self._head is None or self._has_no_body() or reply.finished:
            return False
        descriptor, position, length = rest
        if self._left is not None and self._left < length:
            if self._left < answer_file.LEAST:
                return False
            self._surplus = True
            length = self._left
        if not reply.started:
            reply.respond(self._status, self._head)
        return reply.file(descriptor, position, length)

    def _has_no_body(self):
        return self._head_request or self._status in (204, 304)

    def _finish(self, data):
        reply = self._reply
        if self._head is None:
            raise AssertionError("the application did not call start_response")
        if not isinstance(data, bytes):
            raise TypeError("the body must consist of bytes, not of %s" % log.class_of(data))
        if not reply.finished:
            if self._has_no_body():
                data = b""
            elif self._left is not None:
                data = self._within_length(data)
            if reply.started:
                reply.data(data, True)
            else:
                reply.respond(self._status, self._head, data, True)
        if self._surplus:
            log.event("response.cut", reason="the body is longer than its Content-Length; the rest was left out")

    def _send(self, data):
        reply = self._reply
        if self._has_no_body() or reply.finished:
            self._surplus = self._surplus or (bool(data) and not self._has_no_body())
            return
        last = False
        if self._left is not None:
            data = self._within_length(data)
            last = self._left == 0
        if reply.started:
            reply.data(data, last)
        else:
            reply.respond(self._status, self._head, data, last)

    def _within_length(self, data):
        if len(data) > self._left:
            self._surplus = True
            data = data[: self._left]
        self._left -= len(data)
        return data

    def _lines(self, headers):
        if not isinstance(headers, list):
            raise TypeError("the headers must be a list, not %s" % log.class_of(headers))
        names = self._names
        lines = []
        for name, value in headers:
            prefix = names.get(name)
            if prefix is None:
                prefix = self._prefix_of(name)
            if not isinstance(value, str):
                value = self._text_of(name, value)
            if prefix:
                lines.append(prefix + value)
            if len(name) == 14 and name.lower() == "content-length":
                self._left = _length_of(value)
        if not lines:
            return b""
        lines.append("")
        head = "\r\n".join(lines)
        breaks = len(lines) - 1
        if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
            raise ValueError("the value of a header has a line break or a zero byte: %r" % _broken(headers))
        data = head.encode("latin-1")
        if len(data) > layout.REPLY_HEAD_LIMIT:
            raise ValueError("the head has %d bytes, more than %d" % (len(data), layout.REPLY_HEAD_LIMIT))
        return data

    @classmethod
    def _prefix_of(cls, name):
        """Empty for the transfer coding, which is httpd's."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError("the head has a header named %r" % (name,))
        prefix = "" if name.lower() == "transfer-encoding" else name + ": "
        if len(cls._names) < _NAMES_KEPT:
            cls._names[name] = prefix
        return prefix

    @classmethod
    def _text_of(cls, name, value):
        """Takes numbers as values, which PEP 3333 does not allow: Phusion Passenger takes them."""
        if not isinstance(value, numbers.Number):
            raise TypeError("the value of the header %s must be a text, not %s" % (name, log.class_of(value)))
        if not Answer._warned:
            Answer._warned = True
            log.write("warning: the value of the header %s is the number %s; PEP 3333 wants a text: use str(). "
                      "Further numbers are converted without a warning\n" % (name, value))
        return str(value)


def _keep_prefix(environment):
    """Django makes the prefix of its links of SCRIPT_URL (mod_rewrite) or else REDIRECT_URL: it
    removes PATH_INFO from the end. Older versions cut as many characters off. The prefix is
    wrong where the URL does not end with the path: for the base URI itself, an ErrorDocument, and
    a URL that mod_rewrite has changed."""
    url = environment.get("SCRIPT_URL") or environment.get("REDIRECT_URL")
    if url:
        prefix, path = environment.get("SCRIPT_NAME", ""), environment.get("PATH_INFO", "")
        if not url.endswith(path):
            environment["SCRIPT_URL"] = prefix + path


def _code_of(status):
    """The number of a status such as `200 OK`."""
    if isinstance(status, str) and status[:3].isdigit() and status[3:4] in ("", " ") and 200 <= int(status[:3]) <= 999:
        return int(status[:3])
    raise ValueError("the status is %r: it must be a number from 200 on, and a text, as in \"200 OK\"" % (status,))


def _length_of(value):
    if value.isascii() and value.isdigit():
        return int(value)
    raise ValueError("the Content-Length is %r" % value)


def _broken(headers):
    return [(name, value) for name, value in headers if any(one in str(value) for one in "\r\n\0")][:1]


def _subject_of(environment):
    # The application may have put anything there.
    return log.subject(environment, "%s%s" % (environment.get("SCRIPT_NAME", ""), environment.get("PATH_INFO", "")))
