"""Why the workers of one seat were replaced, and whether the next one is."""

import logging
import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final

from coglet_supervisor.health import WorkerEnd, timestamp
from coglet_supervisor.workers.life import Died, NotStarted, SetupFailed
from coglet_supervisor.workers.report import Replacement
from coglet_supervisor.workers.restart import GiveUp, RestartPolicy, Setbacks

log = logging.getLogger(__name__)

# So many of the latest deaths of a worker are reported.
_ENDS: Final = 5


class Replacements:
    """Counts replacements by their reason, and keeps the latest deaths."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._setbacks = Setbacks()
        self._restarts = 0
        self._counts: Counter[Replacement] = Counter()
        self._ends: deque[WorkerEnd] = deque(maxlen=_ENDS)

    @property
    def restarts(self) -> int:
        """The number of workers that died and were replaced."""
        return self._restarts

    @property
    def counts(self) -> Mapping[Replacement, int]:
        """The number of replacements for each reason that occurred."""
        return dict(self._counts)

    @property
    def ends(self) -> Sequence[WorkerEnd]:
        """The latest deaths, the last one first."""
        return tuple(self._ends)

    def planned(self, reason: Replacement) -> None:
        """Count a worker that was replaced although it was alive."""
        self._counts[reason] += 1

    def forget_setbacks(self) -> None:
        """Expect nothing of new code that the failures of the old one suggest."""
        self._setbacks = Setbacks()

    def delay_after(self, end: SetupFailed | NotStarted | Died) -> float | None:
        """Return the seconds until the worker that ended so is replaced; None if it is not."""
        replacement = self._count(end)
        reason = end.reason.partition("\n")[0]  # a traceback may follow, which is already in the log
        self._ends.appendleft(WorkerEnd(timestamp(), reason))
        decision = self._policy.decide(self._setbacks, jitter=random.random())
        if isinstance(decision, GiveUp):
            log.error("%s; giving up: %s", reason, decision.reason)
            return None
        self._restarts += 1
        self._counts[replacement] += 1
        log.warning("%s; restart in %.2f s, number %d", reason, decision.delay_s, self._restarts)
        return decision.delay_s

    def _count(self, end: SetupFailed | NotStarted | Died) -> Replacement:
        match end:
            case Died(service=service):
                self._setbacks.crashed(service)
                return "crashed"
            case SetupFailed():
                self._setbacks.failed_setup()
                return "setup_failed"
            case NotStarted():
                self._setbacks.failed_start()
                return "not_started"
