"""The child's answer to WANTS_CLIENT (doc/PROTOCOLS.md, section 3.5)."""

import os
import resource
import socket
from array import array
from weakref import WeakSet

from . import frames, layout, log
from .channels import ClientGone, close_descriptors

_RIGHTS_SPACE = socket.CMSG_SPACE(array("i").itemsize)
# Connections that the application has taken over, or has asked for.
_taken = WeakSet()


def has_room():
    """Whether one more connection leaves enough descriptors for all else."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    # Closed ones may still be in memory.
    return len(_taken) < most or sum(one.fileno() != -1 for one in list(_taken)) < most


def stream_pair():
    """The end of an application that takes a connection over, and that of the child."""
    ours, theirs = socket.socketpair()
    _taken.add(ours)
    return ours, theirs


def let_go():
    """In a process that the application forked: the connections are the parent's, and their end
    must not wait for this process."""
    for one in list(_taken):
        # Event loops may delay a close().
        descriptor = one.detach()
        if descriptor != -1:
            os.close(descriptor)


async def transferred(loop, stream):
    """Waits for the answer. Returns the client's own socket, or the stream, by which the child
    passes the client's bytes on. Raises ClientGone if the child has ended, or has sent anything
    else."""
    stream.setblocking(False)
    try:
        answer, descriptors = await _answer(loop, stream)
    except BaseException:
        stream.close()
        raise
    if answer == layout.TRANSFER_RELAY and not descriptors:
        return stream
    stream.close()
    client = _client_of(descriptors) if answer == layout.TRANSFER_CLIENT else None
    if client is not None:
        client.setblocking(False)
        _taken.add(client)
        return client
    if answer == layout.TRANSFER_CLIENT:
        log.complaint("connection.not_received",
                      remedy="a higher limit of open files, or PassengerTransferConnections off")
    raise ClientGone("the client has closed its connection")


def _client_of(descriptors):
    """The child could send any file. None: it is not a client's socket, and is closed."""
    client = None
    try:
        if len(descriptors) == 1:
            client = socket.socket(fileno=descriptors[0])
            descriptors = []
            if client.family in (socket.AF_INET, socket.AF_INET6) and client.type == socket.SOCK_STREAM:
                return client
            client.close()
    except OSError:
        pass
    close_descriptors(descriptors)
    return None


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
