"""`weights.lock`: the exact files of the weights in cog.yaml, with their digests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from coglet_cli.config import CogConfig, Weight, WeightSource
from coglet_cli.errors import UserError

LOCK_FILE: Final = "weights.lock"
_VERSION: Final = 1


@dataclass(frozen=True)
class LockedFile:
    """A file, with its path relative to its weight's target. Digests have the form `sha256:...`."""

    path: str
    size: int
    digest: str
    layer: str


@dataclass(frozen=True)
class LockedLayer:
    """A tar archive of some of the files, as stored in the registry."""

    digest: str
    size: int


@dataclass(frozen=True)
class LockedWeight:
    """One weight; `digest` is that of its manifest in the registry."""

    name: str
    target: str
    sources: tuple[WeightSource, ...]
    digest: str
    layers: tuple[LockedLayer, ...]
    files: tuple[LockedFile, ...]

    def matches(self, weight: Weight) -> bool:
        """Return True if the weight in cog.yaml has not changed since the import."""
        return (self.name, self.target, self.sources) == (weight.name, weight.target, weight.sources)

    @property
    def size(self) -> int:
        """The total size of the files in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Lock:
    """The whole file."""

    weights: tuple[LockedWeight, ...] = ()
    version: int = _VERSION

    def find(self, name: str) -> LockedWeight | None:
        """Return the weight of this name, None if there is none."""
        return next((weight for weight in self.weights if weight.name == name), None)


def read_lock(folder: Path) -> Lock | None:
    """Return the lock of a project, None if it has none. Raises UserError if it cannot be read."""
    try:
        lock = msgspec.json.decode((folder / LOCK_FILE).read_bytes(), type=Lock)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(
            f"failed to read {LOCK_FILE}: {error}", hint="run `cog weights import` to write it again"
        ) from None
    if lock.version != _VERSION:
        raise UserError(f"{LOCK_FILE} has version {lock.version}; this cog supports only version {_VERSION}")
    return lock


def write_lock(folder: Path, lock: Lock) -> None:
    """Replace the lock of a project atomically."""
    draft = folder / f".{LOCK_FILE}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n")
    draft.replace(folder / LOCK_FILE)


def require_lock(config: CogConfig, folder: Path) -> Lock:
    """Return the lock of a project with weights. Raises UserError if it is absent or out of sync."""
    lock = read_lock(folder)
    if lock is None:
        raise UserError(
            f"managed weights configured but no lockfile found: {folder / LOCK_FILE}",
            hint="Run 'cog weights import' first",
        )
    if differences := list(_drift(config, lock)):
        raise UserError(
            f"{LOCK_FILE} is out of sync with cog.yaml: {', '.join(differences)}. "
            "Run 'cog weights import' to update."
        )
    return lock


def _drift(config: CogConfig, lock: Lock) -> Iterator[str]:
    for weight in config.weights:
        locked = lock.find(weight.name)
        if locked is None:
            yield f'weight "{weight.name}" is missing from it'
        elif not locked.matches(weight):
            yield f'weight "{weight.name}" has changed'
    wanted = {weight.name for weight in config.weights}
    for locked in lock.weights:
        if locked.name not in wanted:
            yield f'weight "{locked.name}" is no longer in cog.yaml'
