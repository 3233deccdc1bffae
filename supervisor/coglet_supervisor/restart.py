"""When a dead worker is replaced, and when not any more. Pure: the dice are an argument."""

from dataclasses import dataclass
from typing import Final

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0

# Far beyond the longest delay; more of them would be no float.
_MAX_DOUBLINGS: Final = 30


@dataclass(frozen=True)
class Restart:
    """Start a new worker after `delay_s`."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """The worker dies too often to serve anybody."""

    reason: str


@dataclass(frozen=True)
class RestartPolicy:
    """A crash loop is slowed down, and ended after `max_in_a_row` restarts that led to nothing.

    What counts are deaths in a row: a worker that has ended a prediction has proven itself, and the next
    death is the first one again. So a worker that is killed once an hour is replaced for ever, and at once.
    A worker that cannot even be started, because the disk is full, is tried less and less often, but always.
    """

    enabled: bool = True
    max_in_a_row: int = 8

    def decide(self, deaths_in_a_row: int, failed_starts: int = 0, *, dice: float) -> Restart | GiveUp:
        """What follows a death, or the failed starts after it.

        `dice` in [0, 1) spreads the delays of many servers that share a cause.
        """
        if not self.enabled:
            return GiveUp("restarts are off (COG_WORKER_RESTARTS=0)")
        if deaths_in_a_row > self.max_in_a_row:
            return GiveUp(f"the worker died {deaths_in_a_row} times in a row without ending a prediction")
        doublings = min(deaths_in_a_row + failed_starts - 1, _MAX_DOUBLINGS)
        delay_s = min(FIRST_DELAY_S * 2**doublings, LONGEST_DELAY_S)
        return Restart(delay_s * (0.5 + dice / 2))
