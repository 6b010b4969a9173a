"""The end of a process that the application forked, where its code returns to the instance's."""

import os
import sys


def end(error=None):
    """As Python ends at this SystemExit; without one with status 1. The hooks of the instance's end
    are the parent's."""
    code = error.code if isinstance(error, SystemExit) else 1
    status = 0 if code is None else code & 0xFF if isinstance(code, int) else 1
    try:
        if code is not None and not isinstance(code, int):
            sys.stderr.write("%s\n" % (code,))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
