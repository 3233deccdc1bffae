"""Memory of a process tree, as PSS: private pages in full, shared pages divided among their users."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

_MARK: Final = b"COGLET_WORKER_COOKIE="


def pss_mib(pids: Iterable[int]) -> float:
    """Return the proportional set size of the processes together, in MiB."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def started_by(pid: int) -> list[int]:
    """Return the descendants of a process, and the guards of our workers, which are not among them."""
    family = _descendants(pid)
    marks = {mark for each in family if (mark := _mark(each))}
    marked = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [*family, *(each for each in marked if each not in family and _mark(each) in marks)]


def _mark(pid: int) -> bytes | None:
    """Return the environment entry that all processes of one of our workers share."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # has exited since it was listed, or belongs to another user
        return None
    return next((entry for entry in environment.split(b"\0") if entry.startswith(_MARK)), None)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for ancestor in found:  # the list grows during the loop: breadth first
        found.extend(children.get(ancestor, []))
    return found[1:]


def _parent(entry: Path) -> int | None:
    try:
        stat = (entry / "stat").read_text()
    except OSError:  # has exited since it was listed
        return None
    # The command name, in parentheses, may itself contain spaces and parentheses.
    return int(stat.rpartition(")")[2].split()[1])


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no line `Pss:` in the smaps_rollup of process {pid}")
