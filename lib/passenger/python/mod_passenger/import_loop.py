"""The event loop that the application has set in the main thread while it was imported. Up to
Python 3.13 asyncio.get_event_loop() does that."""

import sys


def waiting():
    """The loop and the number of tasks that wait in it; None and 0: no task waits for a loop."""
    asyncio = sys.modules.get("asyncio")
    loop = asyncio and _current(asyncio)
    # A loop that runs belongs to a thread of the import.
    if loop is None or loop.is_closed() or loop.is_running():
        return None, 0
    tasks = len(asyncio.all_tasks(loop))
    return (loop, tasks) if tasks else (None, 0)


def forget():
    """In a fork: the epoll instance is the parent's. Python itself does it from 3.12 on."""
    if sys.version_info >= (3, 12):
        return
    policy = getattr(sys.modules.get("asyncio.events"), "_event_loop_policy", None)
    if hasattr(policy, "_local"):
        policy._local = type(policy._local)()


def _current(asyncio):
    if sys.version_info >= (3, 14):
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            return None
    # get_event_loop() would make one.
    local = getattr(asyncio.get_event_loop_policy(), "_local", None)
    return getattr(local, "_loop", None)
