"""What the page shows of the server: snapshots that the server makes of its parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from coglet_supervisor.health import QueueReport, Reported, Setup, State, WorkerEnd


class SlotReport(msgspec.Struct, frozen=True):
    """How many slots the workers have, and how many of them run a prediction."""

    total: int
    busy: int


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One worker. `replacements` counts those before it, by reason; `ends` has the latest deaths."""

    state: State
    pid: int | None
    replacements: Mapping[str, int]
    ends: Sequence[WorkerEnd]
    memory_bytes: int


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the server without the setup's log, which is large and seldom changes.

    Memory is in bytes; 0 if it is not measured yet. `reload_error` says why the latest change of the model is
    not served; None if it is.
    """

    status: Reported
    started_at: str
    slots: SlotReport
    queue: QueueReport
    memory_bytes: int
    reload_error: str | None
    workers: list[WorkerRow]


class Sample(Protocol):
    """One interval of the last hour; `at` is its end, in seconds since the epoch. Encoded as it is."""

    @property
    def at(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class ServerView:
    """The parts of the server that the page shows; each is asked when it is needed.

    `measure` measures the memory for the next report, which takes milliseconds, in a thread. `samples`
    returns those of the last hour, the oldest first; None if the server keeps none.
    """

    report: Callable[[], ServerReport]
    setup: Callable[[], Setup | None]
    samples: Callable[[], Sequence[Sample]] | None
    measure: Callable[[], None]
    is_stopping: Callable[[], bool]
