"""The child's answer to WANTS_CLIENT (doc/PROTOCOLS.md, section 3.5)."""

import socket
from array import array

from . import frames, layout
from .channels import ClientGone, close_descriptors

_RIGHTS_SPACE = socket.CMSG_SPACE(array("i").itemsize)


async def transferred(loop, stream):
    """Waits until the child has sent what it still has for the client. Returns the client's own socket, or the stream,
    by which the child passes the client's bytes on. Raises ClientGone if the child has ended."""
    stream.setblocking(False)
    try:
        answer, descriptors = await _answer(loop, stream)
    except BaseException:
        stream.close()
        raise
    if answer == layout.TRANSFER_RELAY and not descriptors:
        return stream
    stream.close()
    if answer != layout.TRANSFER_CLIENT or len(descriptors) != 1:
        close_descriptors(descriptors)
        raise ClientGone("the client has closed its connection")
    client = socket.socket(fileno=descriptors[0])
    client.setblocking(False)
    return client


async def _answer(loop, stream):
    arrived = loop.create_future()
    loop.add_reader(stream, lambda: arrived.done() or arrived.set_result(None))
    try:
        await arrived
    finally:
        loop.remove_reader(stream)
    try:
        answer, controls, _, _ = stream.recvmsg(1, _RIGHTS_SPACE, socket.MSG_CMSG_CLOEXEC)
    except OSError as error:
        raise ClientGone("the client has closed its connection") from error
    return answer, frames.descriptors_in(controls)
