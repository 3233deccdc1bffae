"""Records file operations by thread: those of the test's own thread would block the event loop."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

# Python's own audit events (PEP 578), each with a path as its first argument.
_EVENTS: Final = {"open", "os.listdir", "os.scandir", "shutil.rmtree"}


class FileWork:
    """The paths that were opened, listed or removed, by this thread and by others."""

    def __init__(self) -> None:
        self.by_this_thread: list[str] = []
        self.by_others: list[str] = []
        self._thread = threading.get_ident()

    def note(self, path: Any) -> None:
        """Record an operation on a path."""
        is_ours = threading.get_ident() == self._thread
        (self.by_this_thread if is_ours else self.by_others).append(str(path))

    def is_only_elsewhere(self, text: str) -> bool:
        """Return whether other threads used paths with this text, and this thread did not."""
        return any(text in path for path in self.by_others) and not any(
            text in path for path in self.by_this_thread
        )


_watching: list[FileWork] = []


@contextmanager
def watched() -> Iterator[FileWork]:
    """Record file operations within the block."""
    work = FileWork()
    _watching.append(work)
    try:
        yield work
    finally:
        _watching.remove(work)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in _EVENTS:
        for work in _watching:
            work.note(arguments[0])


sys.addaudithook(_hook)  # which cannot be removed
