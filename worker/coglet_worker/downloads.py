"""Input files given by URL: downloaded before the model runs, several at a time."""

import functools
import os
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final

from cog._interruption import Interruption
from cog.types import URLPath
from coglet_worker.running import TemporaryFiles

PARALLEL_DOWNLOADS: Final = 8


def fetch_all(arguments: dict[str, Any], names: Iterable[str], files: TemporaryFiles) -> None:
    """Download every URLPath among the named arguments and replace it by its file.

    Raises what the first failing download raised. Every file is kept in `files`.
    """
    urls: dict[int, URLPath] = {}
    for name in names:
        value = arguments.get(name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, URLPath):
                urls[id(item)] = item
    if not urls:
        return
    _apply_url_guard()
    fetched = dict(zip(urls, _Downloads(list(urls.values()), files).run(), strict=True))
    for name in names:
        value = arguments.get(name)
        if isinstance(value, list):
            arguments[name] = [fetched.get(id(item), item) for item in value]
        elif id(value) in fetched:
            arguments[name] = fetched[id(value)]


@functools.cache
def _apply_url_guard() -> None:
    # Not at start: most models never download, and the HTTP modules take 30 ms to import.
    from cog._connection import restrict_addresses
    from coglet_protocol.url_guard import UrlGuard

    restrict_addresses(UrlGuard.from_environment(os.environ).resolve)


class _Downloads:
    """A few threads over one queue, interrupted when the prediction ends, whatever they wait for."""

    def __init__(self, urls: Sequence[URLPath], files: TemporaryFiles) -> None:
        self._todo = deque(enumerate(urls))
        self._results: list[Any] = [None] * len(urls)
        self._missing = len(urls)
        self._error: Exception | None = None
        self._files = files
        self._changed = threading.Condition()
        self._interruption = Interruption()

    def run(self) -> list[Any]:
        """Return the files in the order of the URLs. Raises InterruptedError if the prediction ends first."""
        self._files.when_closed(self._interrupt)
        for _ in range(min(PARALLEL_DOWNLOADS, len(self._todo))):
            # Not daemons: the exiting worker waits a moment for a thread to remove its partial file.
            # In the context of the prediction, whose downloads may be observed.
            threading.Thread(target=copy_context().run, args=(self._work,), name="cog-download").start()
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._missing or self._files.closed)
        if self._error is not None:
            raise self._error
        if self._missing:
            raise InterruptedError("the prediction ended while its files were being downloaded")
        return self._results

    def _interrupt(self) -> None:
        self._interruption.interrupt()
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        while not self._files.closed and self._error is None:
            try:
                index, url = self._todo.popleft()
            except IndexError:
                return
            try:
                with self._interruption.covering():
                    file = url.convert()
            except Exception as error:  # noqa: BLE001 - re-raised in the thread that waits
                self._report(error)
                return
            self._files.keep(Path(os.fspath(file)))
            self._arrived(index, file)

    def _arrived(self, index: int, file: object) -> None:
        with self._changed:
            self._results[index] = file
            self._missing -= 1
            self._changed.notify_all()

    def _report(self, error: Exception) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
