"""Where environments are kept; one process makes one, the others wait, and a half-made one is never used."""

import asyncio
import fcntl
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from coglet_cli.python_env.installer import python_of

# Written last: its presence says that all the rest is there.
_COMPLETE: Final = "complete"
_POLL_S: Final = 0.1


class EnvironmentCache:
    """A folder of environments by the key of their recipe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "environments"

    def find(self, key: str) -> Path | None:
        """The environment, when it is complete and the Python that it stands on is still installed."""
        place = self._folder / key
        usable = (place / _COMPLETE).exists() and python_of(place / "venv").exists()
        return place if usable else None

    @asynccontextmanager
    async def lock(self, key: str, tell_wait: Callable[[], None]) -> AsyncIterator[int]:
        """Keeps everybody else from making the environment; gives the descriptor of the lock.

        It lasts until all processes that inherit the descriptor have ended, so that an installer
        that outlives a killed cog keeps its place to itself.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{key}.lock").open("w") as file:
            if not _take(file.fileno()):
                tell_wait()
                # Polled, not blocking: Ctrl-C must end the wait.
                while not _take(file.fileno()):  # noqa: ASYNC110 - another process holds it
                    await asyncio.sleep(_POLL_S)
            yield file.fileno()

    @contextmanager
    def making(self, key: str) -> Iterator[Path]:
        """An empty folder for the environment, complete at the end of the block; gone if the block fails.

        It is made in its final place, since the scripts of a virtual environment hold its path.
        """
        place = self._folder / key
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
            (place / _COMPLETE).touch()
        except BaseException:  # also Ctrl-C, which must not leave half an environment
            shutil.rmtree(place, ignore_errors=True)
            raise


def _take(descriptor: int) -> bool:
    """True when the lock is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
