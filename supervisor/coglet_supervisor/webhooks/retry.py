"""Retry policy of webhooks: classification of responses, delays, and a circuit breaker. No I/O, no clock."""

import math
from typing import Final, Literal

RETRY_DELAYS_S: Final = (*(0.2 * 2**n for n in range(10)), 102.4, 102.4)
"""Delays between the attempts to deliver the end: 12 retries in about 409 s, as the peer does."""

Verdict = Literal["delivered", "refused", "failing", "unavailable"]

_FAILING: Final = frozenset({429, 500})
# The statuses of gateways whose backend is unavailable.
_UNAVAILABLE: Final = frozenset({502, 503, 504})

_TOLERATED_FAILURES: Final = 5
_SPACING_S: Final = 0.1


def judge(status: int, *, redirects: bool) -> Verdict:
    """Classify a response status.

    `delivered`: accepted. `refused`: a retry is useless. `failing`: a retry may succeed. `unavailable`: not a
    response of the receiver itself, so the circuit breaker counts it as a failure. `redirects`: the response
    has a Location. A POST does not follow 301, 302 and 303, which would turn it into a GET; they come from a
    proxy or a stand-in of the receiver.
    """
    if 200 <= status < 300:
        return "delivered"
    if status in _UNAVAILABLE or (300 <= status < 400 and redirects):
        return "unavailable"
    return "failing" if status in _FAILING else "refused"


class CircuitBreaker:
    """Stops most attempts to an unavailable origin, based on the attempts of all its senders.

    While the origin is unavailable, a few attempts per second are let through to detect its recovery, and the
    others are skipped, so that they cost next to nothing. The attempts of a single prediction are never
    skipped, because they are further apart. `now` is a time in seconds, of any clock.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._last_failure = -math.inf

    def is_open(self, now: float) -> bool:
        """True if an attempt at the time `now` should be skipped."""
        return self._has_tripped and now < self._last_failure + _SPACING_S

    def failed(self, now: float) -> None:
        """Count an attempt that did not reach the origin."""
        self._failures += 1
        self._last_failure = now

    def reached(self) -> bool:
        """Note that an attempt reached the origin, whatever its response.

        True if it was considered unavailable.
        """
        had_tripped = self._has_tripped
        self._failures = 0
        return had_tripped

    @property
    def _has_tripped(self) -> bool:
        return self._failures >= _TOLERATED_FAILURES
