"""Header lines of bytes, checked."""

import re

from . import layout

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def header_lines(headers):
    """The lines of pairs of bytes. The transfer coding is httpd's, and left out. Raises ValueError,
    TypeError."""
    lines = []
    for name, value in headers:
        name, value = bytes(name), bytes(value)
        if not _NAME.fullmatch(name):
            raise ValueError("the head has a header named %r" % name)
        if b"\r" in value or b"\n" in value or b"\0" in value:
            raise ValueError("the value of the header %r has a line break or a zero byte" % name)
        if name.lower() != b"transfer-encoding":
            lines.append(b"%s: %s\r\n" % (name, value))
    head = b"".join(lines)
    if len(head) > layout.REPLY_HEAD_LIMIT:
        raise ValueError("the head has %d bytes, more than %d" % (len(head), layout.REPLY_HEAD_LIMIT))
    return head
