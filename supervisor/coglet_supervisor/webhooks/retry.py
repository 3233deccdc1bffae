"""How answers to webhooks are judged, and when to try again. Nothing here does I/O or reads a clock."""

import math
from typing import Final, Literal

RETRY_DELAYS_S: Final = (*(0.2 * 2**n for n in range(10)), 102.4, 102.4)
"""Waits between the attempts to deliver the end: 12 retries in about 409 s, as the peer does."""

Verdict = Literal["delivered", "refused", "failing", "away"]

_FAILING: Final = frozenset({429, 500})
# What gateways answer while there is nobody behind them.
_AWAY: Final = frozenset({502, 503, 504})

_TOLERATED_FAILURES: Final = 5
_SPACING_S: Final = 0.1


def judge(status: int, *, redirects: bool) -> Verdict:
    """What a status says: the receiver has it; will never take it; may take it later; or is not there at all.

    `redirects`: the answer names another place. A POST does not follow 301, 302 and 303, which would turn it
    into a GET; they come from whoever stands in for the receiver.
    """
    if 200 <= status < 300:
        return "delivered"
    if status in _AWAY or (300 <= status < 400 and redirects):
        return "away"
    return "failing" if status in _FAILING else "refused"


class Outage:
    """Whether an origin is away, judged by the attempts of all who send to it.

    During an outage a few attempts a second find out whether it is over; the others are spared, so that a
    receiver that is away costs next to nothing. A single prediction never notices: its attempts are further
    apart than that.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._last_failure = -math.inf

    def spares(self, now: float) -> bool:
        """True when an attempt at the time `now` need not be made to know that it fails."""
        return self._is_on and now < self._last_failure + _SPACING_S

    def failed(self, now: float) -> None:
        """An attempt did not reach it."""
        self._failures += 1
        self._last_failure = now

    def reached(self) -> bool:
        """An attempt reached it, whatever it answered. True when that ends an outage."""
        was_on = self._is_on
        self._failures = 0
        return was_on

    @property
    def _is_on(self) -> bool:
        return self._failures >= _TOLERATED_FAILURES
