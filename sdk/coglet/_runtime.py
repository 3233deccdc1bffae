"""Whether this process is a worker. Set once, at the start of the worker, and never reset."""

from __future__ import annotations

_active = False


def mark_active() -> None:
    """Declare this process a worker; the worker calls it before it loads the model."""
    global _active
    _active = True


def active() -> bool:
    """Return True inside a worker process, where the model runs."""
    return _active
