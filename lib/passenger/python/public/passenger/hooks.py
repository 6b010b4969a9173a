"""Hooks of an instance's life, for example:

    @passenger.hooks.starting_worker_process
    def connect(forked):
        ...
"""

from mod_passenger.hooks import starting_worker_process, stopping_worker_process

__all__ = ["starting_worker_process", "stopping_worker_process"]
