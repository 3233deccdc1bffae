"""Restart policy: exponential backoff with jitter, and a limit for setups that fail in a row. Pure.

Three things can go wrong with a worker, and each is answered in its own way:

* It crashes after it was ready. A client can cause that with an input, so it never ends the server: another
  worker is started, always. Each crash in a row doubles the delay. A prediction that ended, or a minute of
  service, starts the count again. The delay grows to 30 s, which slows down a model that crashes on its own;
  but only to 2 s when a prediction was running, since the next crash needs another request, and others wait.
* It dies or fails before it is ready. Nobody can be served by a model that does not load, so that too many of
  these in a row end in DEFUNCT. A worker that becomes ready starts the count again.
* It cannot be started at all, because the disk is full. That may pass: it is tried less and less often, but
  always.
"""

from dataclasses import dataclass
from typing import Final

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0
LONGEST_DELAY_AFTER_PREDICTION_S: Final = 2.0
# A worker that was ready for so long is no part of a crash loop.
STEADY_S: Final = 60.0

# Far beyond the longest delay; more of them would be no float.
_MAX_DOUBLINGS: Final = 30


@dataclass(frozen=True)
class Restart:
    """Start a new worker after `delay_s`."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """No worker would serve anybody."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a worker did between being ready and its death."""

    lasted_s: float
    ended_a_prediction: bool
    lost_a_prediction: bool


@dataclass
class Setbacks:
    """What went wrong in one place for a worker: each kind counted in a row, the latest decides the delay."""

    crashes: int = 0
    failed_setups: int = 0
    failed_starts: int = 0
    longest_delay_s: float = LONGEST_DELAY_S

    def crashed(self, service: Service) -> None:
        """A worker died that had been ready."""
        self.failed_setups = self.failed_starts = 0
        if service.ended_a_prediction or service.lasted_s >= STEADY_S:
            self.crashes = 0
        self.crashes += 1
        self.longest_delay_s = (
            LONGEST_DELAY_AFTER_PREDICTION_S if service.lost_a_prediction else LONGEST_DELAY_S
        )

    def failed_setup(self) -> None:
        """A worker ended before it was ready."""
        self.failed_setups += 1
        self.failed_starts = 0
        self.longest_delay_s = LONGEST_DELAY_S

    def failed_start(self) -> None:
        """There was no process."""
        self.failed_starts += 1
        self.longest_delay_s = LONGEST_DELAY_S

    @property
    def in_a_row(self) -> int:
        """How many count for the delay."""
        return self.failed_setups + self.failed_starts or self.crashes


@dataclass(frozen=True)
class RestartPolicy:
    """Gives up after `max_failed_setups` restarts in a row that did not become ready."""

    enabled: bool = True
    max_failed_setups: int = 8

    def decide(self, setbacks: Setbacks, *, jitter: float) -> Restart | GiveUp:
        """What follows the latest setback. `jitter` in [0, 1) spreads servers that share a cause."""
        if not self.enabled:
            return GiveUp("restarts are off (COG_WORKER_RESTARTS=0)")
        if setbacks.failed_setups > self.max_failed_setups:
            return GiveUp(f"{setbacks.failed_setups} workers in a row did not become ready")
        doublings = min(setbacks.in_a_row - 1, _MAX_DOUBLINGS)
        delay_s = min(FIRST_DELAY_S * 2**doublings, setbacks.longest_delay_s)
        return Restart(delay_s * (0.5 + jitter / 2))
