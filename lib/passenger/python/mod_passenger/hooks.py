"""What an application registers for the life of its instances. Applications import it as
`passenger.hooks`."""

from . import log


class Hook:
    """Use it as a decorator, or call it with a function. Functions are called in the order of their
    registration."""

    def __init__(self, name, text):
        self.__name__ = name
        self.__doc__ = text
        self._functions = []

    def __call__(self, function):
        if not callable(function):
            raise TypeError("passenger.hooks.%s needs a function, not %r" % (self.__name__, function))
        self._functions.append(function)
        return function

    def run(self, *arguments):
        """Raises what a function raises."""
        for function in self._functions:
            function(*arguments)

    def run_all(self, *arguments):
        """Calls each function even if an earlier one raises; exceptions are logged."""
        for function in self._functions:
            try:
                function(*arguments)
            except Exception as error:
                log.exception("hook.failed", error, hook=self.__name__)


starting_worker_process = Hook(
    "starting_worker_process",
    "Called in a new instance before its first request, with True if a preloader has forked it.")
stopping_worker_process = Hook("stopping_worker_process", "Called in an instance after its last request.")
