"""One build of a project at a time."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_POLL_S: Final = 0.1


@contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """Waits until no other cog builds the project in `folder`, and keeps others waiting."""
    home = folder / ".cog"
    home.mkdir(exist_ok=True)
    with (home / "cog.lock").open("w") as file:
        # Polled, not blocking: Ctrl-C must end the wait.
        while not _taken(file.fileno()):
            time.sleep(_POLL_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
