"""The memory of a control group (cgroup v1 and v2): how much is left, and OOM kills.

Sources: cgroups(7), and the kernel's cgroup-v2.rst and cgroup-v1/memory.rst.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coglet_supervisor.workers.process_usage import available_bytes

_MOUNTS: Final = Path("/sys/fs/cgroup")
_PROC: Final = Path("/proc")


@dataclass(frozen=True)
class _Names:
    """The file names of one version, and the field of reclaimable page cache in `memory.stat`."""

    events: str
    limit: str
    usage: str
    reclaimable: str


_V1: Final = _Names(
    "memory.oom_control", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)
_V2: Final = _Names("memory.events", "memory.max", "memory.current", "inactive_file")


@dataclass(frozen=True)
class ControlGroup:
    """The control group that limits the memory of a process."""

    folder: Path
    root: Path
    names: _Names

    @classmethod
    def of(cls, pid: int | str, mounts: Path = _MOUNTS, proc: Path = _PROC) -> "ControlGroup | None":
        """Return the group of a running process, or of `self`; None where the system does not report it."""
        try:
            memberships = (proc / str(pid) / "cgroup").read_text().splitlines()
        except OSError:
            return None
        paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in memberships)}
        for controllers, path in paths.items():
            if "memory" in controllers.split(","):
                return cls._found(mounts / controllers, path, _V1) or cls._found(mounts / "memory", path, _V1)
        return cls._found(mounts, paths.get("", "/"), _V2)

    @classmethod
    def _found(cls, root: Path, path: str, names: _Names) -> "ControlGroup | None":
        # In a container, the path may be that on the host, while the mount is the container's own group.
        for folder in (root / path.lstrip("/"), root):
            if (folder / names.events).exists():
                return cls(folder, root, names)
        return None

    def oom_kills(self) -> int | None:
        """Return how many processes of the group the OOM killer has killed so far; None if unknown."""
        return _field(self.folder / self.names.events, "oom_kill")

    def room_bytes(self) -> int | None:
        """Return how much more memory the group and its ancestors may use; None without a limit."""
        rooms = [room for room in map(self._room_in, self._and_above()) if room is not None]
        return min(rooms, default=None)

    def _and_above(self) -> Iterator[Path]:
        yield self.folder
        if self.folder != self.root:
            for parent in self.folder.parents:
                yield parent
                if parent == self.root:
                    return

    def _room_in(self, folder: Path) -> int | None:
        limit = _number(folder / self.names.limit)
        usage = _number(folder / self.names.usage)
        if limit is None or usage is None:
            return None
        return limit - usage + (_field(folder / "memory.stat", self.names.reclaimable) or 0)


def free_memory_bytes(pid: int) -> int | None:
    """Return the memory available to one more process like `pid`, in its group and the machine, if known."""
    group = ControlGroup.of(pid)
    rooms = [None if group is None else group.room_bytes(), available_bytes()]
    return min((room for room in rooms if room is not None), default=None)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # "max" stands for no limit
        return None


def _field(file: Path, name: str) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    values = (line.split()[1] for line in lines if line.split()[:1] == [name])
    text = next(values, "")
    return int(text) if text.isdecimal() else None
