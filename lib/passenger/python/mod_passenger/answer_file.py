"""Files that go to httpd as one descriptor, in place of their bytes (PassengerAnswerFiles;
doc/PROTOCOLS.md, section 3.8)."""

import io
import os
import re
import stat
import tempfile

# A file costs more than a few pieces: its file system is looked up, and httpd checks it.
LEAST = 256 * 1024
# The file systems of which httpd takes files. The reasons are in
# ext/common/exchange/AnswerFile.cpp.
_FILE_SYSTEMS = (b"ext4", b"btrfs", b"tmpfs")
_MOUNT = re.compile(rb"^mnt_id:\s*(\d+)$", re.MULTILINE)
# Behind optional fields stand a hyphen and the type.
_TYPE = re.compile(rb" - (\S+) ")


def rest_of(file):
    """Descriptor, position, and the number of bytes from there on, if httpd takes the file. The
    descriptor stays the file's."""
    try:
        reader = _reader_of(file)
        if reader is None:
            return None
        if type(reader) is io.BufferedRandom:
            reader.flush()
        descriptor = reader.fileno()
        facts = os.fstat(descriptor)
        position = reader.tell()
        length = facts.st_size - position
        suits = length >= LEAST and stat.S_ISREG(facts.st_mode) and reader.readable() and _is_local(descriptor)
    # A file that is closed, or whose raw file was taken away, has no position.
    except (OSError, ValueError):
        return None
    return (descriptor, position, length) if suits else None


def _reader_of(file):
    """The file whose bytes `file.read` returns as they are. An object that has a descriptor may
    read other bytes, as gzip.GzipFile does; one that passes read() on has that of its file."""
    if type(file) is tempfile._TemporaryFileWrapper:
        file = file.file
    read = getattr(file, "read", None)
    reader = getattr(read, "__self__", None)
    raw = reader.raw if type(reader) in (io.BufferedReader, io.BufferedRandom) else reader
    return reader if type(raw) is io.FileIO and read.__name__ == "read" else None


def _is_local(descriptor):
    with open("/proc/self/fdinfo/%d" % descriptor, "rb") as facts:
        mount = _MOUNT.search(facts.read())
    with open("/proc/self/mountinfo", "rb") as mounts:
        table = b"\n" + mounts.read()
    begin = table.find(b"\n%s " % mount[1]) if mount else -1
    found = _TYPE.search(table, begin) if begin >= 0 else None
    return found is not None and found[1] in _FILE_SYSTEMS
