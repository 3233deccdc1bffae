"""`cog weights status`: which weights are on this machine, as a table or as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from coglet_cli.weights.lockfile import Lock, LockedWeight, read_lock
from coglet_cli.weights.project import WeightsProject
from coglet_cli.weights.size import readable

_HEADINGS: Final = ("NAME", "TARGET", "STATUS", "SIZE", "LAYERS", "DIGEST")


class State(StrEnum):
    """`ready` is usable here; `incomplete` needs `cog weights pull`, the others `cog weights import`."""

    READY = "ready"
    INCOMPLETE = "incomplete"
    STALE = "stale"
    PENDING = "pending"
    ORPHANED = "orphaned"


@dataclass(frozen=True)
class WeightStatus:
    """One line of the table; without size, layers and digest for a weight that was never imported."""

    name: str
    target: str
    status: State
    size: int = 0
    layers: int = 0
    digest: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        if not self.digest:
            return (self.name, self.target, self.status.value, "-", "-", "-")
        size, short = readable(self.size), self.digest.removeprefix("sha256:")[:12]
        return (self.name, self.target, self.status.value, size, str(self.layers), short)


def statuses(project: WeightsProject) -> list[WeightStatus]:
    """Return the weights of cog.yaml, then those that are only in weights.lock."""
    lock = read_lock(project.folder) or Lock()
    return [*_wanted(project, lock), *_orphaned(project, lock)]


def _wanted(project: WeightsProject, lock: Lock) -> Iterator[WeightStatus]:
    for weight in project.config.weights:
        locked = lock.find(weight.name)
        if locked is None:
            yield WeightStatus(weight.name, weight.target, State.PENDING)
        elif not locked.matches(weight):
            yield _status(locked, State.STALE)
        else:
            yield _status(locked, State.INCOMPLETE if project.store.missing(locked) else State.READY)


def _orphaned(project: WeightsProject, lock: Lock) -> Iterator[WeightStatus]:
    wanted = {weight.name for weight in project.config.weights}
    for locked in lock.weights:
        if locked.name not in wanted:
            yield _status(locked, State.ORPHANED)


def _status(locked: LockedWeight, state: State) -> WeightStatus:
    return WeightStatus(locked.name, locked.target, state, locked.size, len(locked.layers), locked.digest)


def as_table(found: list[WeightStatus]) -> str:
    """Return a table with columns of minimal width."""
    rows = [_HEADINGS, *(status.cells for status in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_json(found: list[WeightStatus]) -> str:
    """Return `{"weights": [...]}` as JSON, with the fields of WeightStatus."""
    return json.dumps({"weights": [asdict(status) for status in found]}, indent=2)
