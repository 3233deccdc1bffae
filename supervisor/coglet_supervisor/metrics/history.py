"""The last hour of a server, one sample each ten seconds, for plots."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from coglet_supervisor.metrics.counts import Counts
from coglet_supervisor.metrics.machine import Machine, ServerState

INTERVAL_S: Final = 10.0
KEPT_S: Final = 3600.0


class Sample(msgspec.Struct, frozen=True):
    """One interval. Times are in seconds, `at` is its end in seconds since the epoch.

    The run times are percentiles of the predictions that ended in it, of the latest 1,000 of them at most;
    None without any. The others are the state at its end.
    """

    at: float
    predictions_per_s: float
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    queue_length: int
    in_progress: int
    memory_bytes: int
    worker_memory_bytes: list[int]


class History:
    """Keeps the samples of the last hour. `clock` returns seconds from any start."""

    def __init__(
        self,
        counts: Counts,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._counts = counts
        self._clock = clock
        self._wall_clock = wall_clock
        self._samples: deque[Sample] = deque(maxlen=int(KEPT_S / INTERVAL_S))
        self._sampled_at = clock()
        self._ended = counts.totals.ended

    @property
    def samples(self) -> list[Sample]:
        """The samples, the oldest first."""
        return list(self._samples)

    async def run(self, machine: Machine, stopped: Callable[[], Awaitable[Any]]) -> None:
        """Take a sample each `INTERVAL_S`, until `stopped()` returns."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await stopped()
                    return
            self.add(await machine.state())

    def add(self, state: ServerState) -> None:
        """Add a sample of the time since the last one, which ends with `state`."""
        now, totals = self._clock(), self._counts.totals
        ended, run_times_s = totals.ended, sorted(totals.take_latest_s())
        passed_s = now - self._sampled_at
        self._samples.append(
            Sample(
                at=round(self._wall_clock(), 3),
                predictions_per_s=(ended - self._ended) / passed_s if passed_s > 0 else 0.0,
                p50_s=percentile(run_times_s, 0.5),
                p95_s=percentile(run_times_s, 0.95),
                p99_s=percentile(run_times_s, 0.99),
                queue_length=state.queue.length,
                in_progress=state.in_progress,
                memory_bytes=state.memory_bytes,
                worker_memory_bytes=[worker.memory_bytes for worker in state.workers],
            )
        )
        self._sampled_at, self._ended = now, ended


def percentile(ordered: Sequence[float], fraction: float) -> float | None:
    """Return the smallest value that `fraction` of all are not greater than; None without values."""
    return ordered[max(math.ceil(fraction * len(ordered)), 1) - 1] if ordered else None
