"""The thread that writes: it commits all writes that wait in one transaction."""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from coglet_supervisor.predictions.record import NotRecorded, OnWritten
from coglet_supervisor.records.sqlite import rows
from coglet_supervisor.records.sqlite.files import Files

log = logging.getLogger(__name__)

# The most writes of one transaction: the first one waits for all.
_MAX_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Write:
    """One change; `apply` returns the names of files that are not needed after it.

    With `is_durable`, it is on disk before `on_written` is called; else soon after.
    """

    apply: Callable[[sqlite3.Connection], Collection[str]]
    on_written: OnWritten
    is_durable: bool = True


class Writer:
    """Applies writes in their order, in a thread. `on_written` of each is called on the event loop."""

    def __init__(self, connection: sqlite3.Connection, files: Files) -> None:
        self._connection = connection
        self._files = files
        self._waiting: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._is_durable: bool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)

    def submit(self, write: Write) -> None:
        """Have a change written."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()
        self._waiting.put(write)

    def close(self) -> None:
        """Write what waits, and end the thread. Blocks."""
        if self._loop is not None:
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch = [self._waiting.get()]
            while len(batch) < _MAX_BATCH and batch[-1] is not None:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            is_open = batch[-1] is not None
            writes = [write for write in batch if write is not None]
            if writes:
                self._commit(writes)

    def _commit(self, writes: list[Write]) -> None:
        error = self._try_commit(writes)
        if error is None or len(writes) == 1:
            self._report([(write.on_written, error) for write in writes])
        else:  # one of them may be the reason, so each gets a transaction of its own
            self._report([(write.on_written, self._try_commit([write])) for write in writes])

    def _try_commit(self, writes: list[Write]) -> NotRecorded | None:
        try:
            self._set_durable(any(write.is_durable for write in writes))
            self._connection.execute("BEGIN IMMEDIATE")
            unneeded = [name for write in writes for name in write.apply(self._connection)]
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            return NotRecorded(str(error))
        except Exception as error:  # our bug; the thread must live, and each write needs an answer
            log.exception("a record could not be written; this is a bug in the server")
            self._roll_back()
            return NotRecorded(f"{type(error).__name__}: {error}")
        self._files.take_new()
        self._files.remove(unneeded)
        return None

    def _roll_back(self) -> None:
        """End the transaction, and remove the files that were written in it."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            new = set(self._files.take_new())
            self._files.remove(new - rows.names_in_use(self._connection, new))
        except sqlite3.Error:
            log.exception("a transaction could not be rolled back")

    def _set_durable(self, is_durable: bool) -> None:
        if is_durable != self._is_durable:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._is_durable = is_durable

    def _report(self, results: list[tuple[OnWritten, NotRecorded | None]]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_call, results)
        except RuntimeError:
            pass  # the loop is closed, and with it all who wait


def _call(results: list[tuple[OnWritten, NotRecorded | None]]) -> None:
    for on_written, error in results:
        on_written(error)
