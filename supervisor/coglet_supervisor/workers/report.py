"""What a seat reports of its workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from coglet_supervisor.health import Setup, State, WorkerEnd

# Why a worker was replaced: it exited after it was ready, its setup failed, or no process could be started;
# or, planned, because of a recycling limit, or of a reload.
Replacement = Literal["crashed", "setup_failed", "not_started", "recycled", "reloaded"]
REPLACEMENTS: Final[tuple[Replacement, ...]] = (
    *("crashed", "setup_failed", "not_started"),
    *("recycled", "reloaded"),
)


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """One seat at one moment. `pid` is None without a process; `replacements` counts those before it.

    `ends` are the latest deaths, the last one first.
    """

    state: State
    pid: int | None
    replacements: Mapping[Replacement, int]
    setup: Setup
    ends: Sequence[WorkerEnd] = ()
