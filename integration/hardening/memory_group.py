"""A control group with a small memory limit, for a server and its workers."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from testing.waiting import wait_for

from coglet_supervisor.workers.control_group import ControlGroup

JOIN_AND_SERVE: Final = (
    "import os, pathlib, sys\n"
    "pathlib.Path(os.environ['TEST_GROUP'], 'cgroup.procs').write_text(str(os.getpid()))\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'cog.server.http', *sys.argv[1:]])\n"
)
"""Entry point that starts the server inside the group that the variable `TEST_GROUP` names."""


@contextlib.contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path | None]:
    """The folder of a new group below our own; None if it cannot be created, which needs root and a mount."""
    own = ControlGroup.of("self")
    folder = None if own is None else _made(own, limit_bytes)
    try:
        yield folder
    finally:
        if folder is not None:
            wait_for(lambda: _removed(folder), "end of the control group")


def _made(own: ControlGroup, limit_bytes: int) -> Path | None:
    folder = own.folder / f"pycoglet-test-{time.monotonic_ns()}"
    try:
        folder.mkdir()
    except OSError:
        return None
    try:
        folder.joinpath(own.names.limit).write_text(str(limit_bytes))
        folder.joinpath("cgroup.procs").read_text()
    except OSError:
        folder.rmdir()
        return None
    return folder


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):  # EBUSY: the kernel may not have removed its processes yet
        folder.rmdir()
        return True
    return False
