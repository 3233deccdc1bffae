"""The cache of environments. One process makes each, others wait; an incomplete one is never used."""

import asyncio
import fcntl
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from coglet_cli.python_env.installer import python_of

# Created last: its presence marks the environment as complete.
_COMPLETE: Final = "complete"
_POLL_S: Final = 0.1


class EnvironmentCache:
    """A folder of environments, named by the keys of their recipes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "environments"

    def find(self, key: str) -> Path | None:
        """Return the environment's folder if it is complete and its base Python is still installed."""
        place = self._folder / key
        usable = (place / _COMPLETE).exists() and python_of(place / "venv").exists()
        return place if usable else None

    @asynccontextmanager
    async def lock(self, key: str, on_wait: Callable[[], None]) -> AsyncIterator[int]:
        """Lock the environment against other processes and yield the descriptor of the lock.

        The lock is held until all processes that inherit the descriptor have exited, so that an installer
        that outlives a killed cog still has the folder to itself.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{key}.lock").open("w") as file:
            if not _try_lock(file.fileno()):
                on_wait()
                # Polled, not blocking: Ctrl-C must end the wait.
                while not _try_lock(file.fileno()):  # noqa: ASYNC110 - another process holds it
                    await asyncio.sleep(_POLL_S)
            yield file.fileno()

    @contextmanager
    def making(self, key: str) -> Iterator[Path]:
        """Yield an empty folder for the environment; mark it complete after the block, delete it on failure.

        It is made in its final place, since the scripts of a virtual environment contain its path.
        """
        place = self._folder / key
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
            (place / _COMPLETE).touch()
        except BaseException:  # also Ctrl-C, which must not leave an incomplete environment
            shutil.rmtree(place, ignore_errors=True)
            raise


def _try_lock(descriptor: int) -> bool:
    """Return True if we got the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
