"""Tells the errors that a client causes by leaving from the application's own."""

from .channels import ClientGone


def means_client_gone(error):
    """Whether ClientGone, which send() raises, has led to the error: a framework may raise its own
    in place of it (Starlette's ClientDisconnect), or a group (anyio)."""
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ClientGone):
            return True
        # A group of Python 3.11, or of the package exceptiongroup.
        members = getattr(error, "exceptions", None)
        if isinstance(members, tuple) and members and all(isinstance(one, BaseException) for one in members):
            return all(means_client_gone(one) for one in members)
        seen.add(id(error))
        if isinstance(error, SystemExit):
            return False
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False
