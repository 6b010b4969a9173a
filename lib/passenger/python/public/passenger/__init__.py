"""What applications may use of mod_passenger."""

from . import hooks

__all__ = ["hooks"]
