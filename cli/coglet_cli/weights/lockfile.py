"""`weights.lock`: which files the weights of cog.yaml are, byte for byte."""

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
    """A file below the target of its weight. Digests are written `sha256:...`."""

    path: str
    size: int
    digest: str
    layer: str


@dataclass(frozen=True)
class LockedLayer:
    """A tar archive of some of the files, as the registry keeps it."""

    digest: str
    size: int


@dataclass(frozen=True)
class LockedWeight:
    """One weight; `digest` is the one of its manifest in the registry."""

    name: str
    target: str
    sources: tuple[WeightSource, ...]
    digest: str
    layers: tuple[LockedLayer, ...]
    files: tuple[LockedFile, ...]

    def fits(self, weight: Weight) -> bool:
        """True when cog.yaml still asks for what was imported."""
        return (self.name, self.target, self.sources) == (weight.name, weight.target, weight.sources)

    @property
    def size(self) -> int:
        """In bytes, of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Lock:
    """The whole file."""

    weights: tuple[LockedWeight, ...] = ()
    version: int = _VERSION

    def find(self, name: str) -> LockedWeight | None:
        """The weight of this name."""
        return next((weight for weight in self.weights if weight.name == name), None)


def read_lock(folder: Path) -> Lock | None:
    """The lock of a project, None when it has none. Raises UserError when it cannot be understood."""
    try:
        lock = msgspec.json.decode((folder / LOCK_FILE).read_bytes(), type=Lock)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(
            f"failed to read {LOCK_FILE}: {error}", hint="run `cog weights import` to make it anew"
        ) from None
    if lock.version != _VERSION:
        raise UserError(f"{LOCK_FILE} has version {lock.version}, and this cog knows {_VERSION}")
    return lock


def write_lock(folder: Path, lock: Lock) -> None:
    """Replaces the lock of a project, as a whole."""
    draft = folder / f".{LOCK_FILE}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n")
    draft.replace(folder / LOCK_FILE)


def require_lock(config: CogConfig, folder: Path) -> Lock:
    """The lock of a project with weights, as cog.yaml has it. Raises UserError when they disagree."""
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
        elif not locked.fits(weight):
            yield f'weight "{weight.name}" has changed'
    wanted = {weight.name for weight in config.weights}
    for locked in lock.weights:
        if locked.name not in wanted:
            yield f'weight "{locked.name}" is gone from cog.yaml'
