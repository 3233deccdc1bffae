"""Restart policy: exponential backoff with jitter, and a limit of consecutive failed setups. No I/O.

Three things can go wrong with a worker, and each is handled in its own way:

* It crashes after it was ready. A client can cause that with an input, so it never ends the service: a new
  worker is always started. Each consecutive crash doubles the delay. A completed prediction, or a minute of
  service, resets the count. The delay is at most 30 s, which slows down a model that crashes on its own; but
  at most 2 s if a prediction was running, because the next crash needs another such request, and other
  clients are waiting.
* It exits or fails before it is ready. A model that does not load cannot serve, so too many consecutive
  failures lead to DEFUNCT. A worker that becomes ready resets the count.
* It cannot be started at all, for example because the disk is full. That may be temporary: the start is
  retried without limit, with growing delays.
"""

from dataclasses import dataclass
from typing import Final

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0
LONGEST_DELAY_AFTER_PREDICTION_S: Final = 2.0
# A worker that was ready for this long is not part of a crash loop.
STEADY_S: Final = 60.0

# Far beyond the longest delay; many more would overflow a float.
_MAX_DOUBLINGS: Final = 30


@dataclass(frozen=True)
class Restart:
    """Start a new worker after `delay_s`."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """Start no further worker."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """The service of a worker between becoming ready and its exit."""

    lasted_s: float
    ended_a_prediction: bool
    lost_a_prediction: bool


@dataclass
class Setbacks:
    """Counts of the consecutive failures in one seat, by kind. The latest decides the longest delay."""

    crashes: int = 0
    failed_setups: int = 0
    failed_starts: int = 0
    longest_delay_s: float = LONGEST_DELAY_S

    def crashed(self, service: Service) -> None:
        """Count a worker that exited after it was ready."""
        self.failed_setups = self.failed_starts = 0
        if service.ended_a_prediction or service.lasted_s >= STEADY_S:
            self.crashes = 0
        self.crashes += 1
        self.longest_delay_s = (
            LONGEST_DELAY_AFTER_PREDICTION_S if service.lost_a_prediction else LONGEST_DELAY_S
        )

    def failed_setup(self) -> None:
        """Count a worker that exited or failed before it was ready."""
        self.failed_setups += 1
        self.failed_starts = 0
        self.longest_delay_s = LONGEST_DELAY_S

    def failed_start(self) -> None:
        """Count a worker process that could not be started."""
        self.failed_starts += 1
        self.longest_delay_s = LONGEST_DELAY_S

    @property
    def in_a_row(self) -> int:
        """How many failures count for the delay."""
        return self.failed_setups + self.failed_starts or self.crashes


@dataclass(frozen=True)
class RestartPolicy:
    """Gives up after more than `max_failed_setups` consecutive workers that did not become ready."""

    enabled: bool = True
    max_failed_setups: int = 8

    def decide(self, setbacks: Setbacks, *, jitter: float) -> Restart | GiveUp:
        """Return what to do after the latest failure.

        `jitter` in [0, 1) spreads servers that fail together.
        """
        if not self.enabled:
            return GiveUp("restarts are off (COG_WORKER_RESTARTS=0)")
        if setbacks.failed_setups > self.max_failed_setups:
            return GiveUp(f"{setbacks.failed_setups} workers in a row did not become ready")
        doublings = min(setbacks.in_a_row - 1, _MAX_DOUBLINGS)
        delay_s = min(FIRST_DELAY_S * 2**doublings, setbacks.longest_delay_s)
        return Restart(delay_s * (0.5 + jitter / 2))
