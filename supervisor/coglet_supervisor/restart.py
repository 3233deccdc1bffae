"""When a dead worker is replaced, and when not any more. Pure: the clock and the dice are arguments."""

from collections.abc import Sequence
from dataclasses import dataclass

BACKOFF_START_S = 0.1
BACKOFF_CAP_S = 30.0


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
    """At most `burst` deaths within `window_s` seconds, with a delay that doubles from death to death.

    Source: burst and window as in OTP `sup_princ`, "Tuning the intensity and period".
    """

    enabled: bool = True
    burst: int = 8
    window_s: float = 300.0

    def decide(self, deaths: Sequence[float], *, now: float, dice: float) -> Restart | GiveUp:
        """What follows the latest of `deaths` (times in seconds, ascending).

        `dice` in [0, 1) spreads the delays of many servers that share a cause. A death that nothing preceded
        for `window_s` starts at the first delay again.
        """
        if not self.enabled:
            return GiveUp("restarts are off (COG_WORKER_RESTARTS=0)")
        recent = sum(1 for death in deaths if now - death <= self.window_s)
        if recent > self.burst:
            return GiveUp(f"the worker died {recent} times within {self.window_s:g} s")
        delay = min(BACKOFF_START_S * 2 ** max(recent - 1, 0), BACKOFF_CAP_S)
        return Restart(delay * (0.5 + dice / 2))
