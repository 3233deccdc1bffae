"""Waiting for a condition, never for a time: each wait ends as soon as it holds, or fails at its deadline."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

DEADLINE_S: Final = 20.0
"""Long enough for a busy machine; no passing test comes near it."""

_PAUSE_S: Final = 0.01

T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """The first true value of `condition`, which is asked again and again.

    Raises AssertionError, naming `what` and the last value, when there is none within `deadline_s`.
    """
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"no {what} within {deadline_s:g} s; last seen: {value!r}"
        time.sleep(_PAUSE_S)
