"""Records in an SQLite file, without a server."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.supervisor.kept import KeptPrediction

from coglet_supervisor.predictions.record import NotRecorded, OnWritten, Record, Recordable
from coglet_supervisor.predictions.validation import Document, Validation
from coglet_supervisor.records.sqlite.files import MAX_ROW_BYTES
from coglet_supervisor.records.sqlite.store import SqliteStore
from coglet_supervisor.records.store import Limits

LIMITS = Limits(max_records=10, max_bytes=10**9, ttl_s=1e12)
LARGE = b'{"n":"%b"}' % (b"x" * MAX_ROW_BYTES)


@asynccontextmanager
async def opened(
    path: Path,
    schema: Document | None = None,
    limits: Limits = LIMITS,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[SqliteStore]:
    validation = Validation(schema, ignore_unknown=False)
    store = SqliteStore(path, limits, lambda: validation, clock=clock)
    try:
        yield store
    finally:
        await store.close()


async def write(transition: Callable[[Recordable, OnWritten], None], prediction: KeptPrediction) -> None:
    done: asyncio.Future[NotRecorded | None] = asyncio.get_running_loop().create_future()
    transition(prediction, done.set_result)
    if error := await done:
        raise error


async def finish(store: SqliteStore, prediction: KeptPrediction) -> None:
    await write(store.accept, prediction)
    prediction.status, prediction.completed_at, prediction.output = "succeeded", 1002.0, b'"done"'
    await write(store.finish, prediction)


async def found(store: SqliteStore, prediction_id: str = "p") -> Record:
    record = await store.get(prediction_id)
    assert isinstance(record, Record)
    return record


def files_beside(path: Path) -> list[str]:
    folder = path.with_name("records.db.files")
    return sorted(os.listdir(folder)) if folder.exists() else []
