"""The store of records in an SQLite file."""

import asyncio
import itertools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from coglet_supervisor.predictions.record import (
    NotRecorded,
    OnWritten,
    Record,
    Recordable,
)
from coglet_supervisor.predictions.run_input import digest_of
from coglet_supervisor.predictions.stream import PredictionStream
from coglet_supervisor.predictions.validation import Validation
from coglet_supervisor.records.sqlite import rows
from coglet_supervisor.records.sqlite.database import Database, explained
from coglet_supervisor.records.sqlite.files import MAX_ROW_BYTES, Files
from coglet_supervisor.records.sqlite.retention import STEP, Removed, expire_beyond, expire_inputs, expire_old
from coglet_supervisor.records.sqlite.writer import Write, Writer
from coglet_supervisor.records.store import Cursor, Expired, Limits, NotReadable, Page, Query

Apply = Callable[[sqlite3.Connection], Collection[str]]

T = TypeVar("T")

log = logging.getLogger(__name__)

# So many bytes of data are read at a time, except for a larger record.
_STEP_BYTES: Final = 16 * 1024 * 1024


class SqliteStore:
    """Keeps records in a file; an acceptance and an end are on disk before they are reported as written.

    `validation` returns what knows the secrets, which are masked at the end of a prediction. `clock` returns
    seconds since the epoch. Raises StartupError if the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        validation: Callable[[], Validation],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.is_durable: Final = True
        self._database = Database(path)
        self._limits = limits
        self._validation = validation
        self._clock = clock
        self._files = Files(self._database.path.with_name(f"{self._database.path.name}.files"))
        self._reading = threading.Lock()
        # Predictions whose end could not be written yet, and the sequence numbers of those of them whose
        # webhook was delivered.
        self._unwritten: dict[str, Recordable] = {}
        self._delivered: set[int] = set()
        # False while no record has ended since the limits were checked.
        self._may_exceed_limits = True
        try:
            with explained(path):
                self.last_sequence: Final = self._find_last_sequence()
                self._remove_orphans()
        except BaseException:  # as in Database: its lock must not stay
            self._database.close()
            raise
        self._writer = Writer(self._database.writing, self._files)

    def accept(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder."""
        record = prediction.record()

        def forget_unwritten(error: NotRecorded | None) -> None:
            if error is None and record.id in self._unwritten:
                self._forget_unwritten(self._unwritten[record.id])
            on_written(error)

        def apply(connection: sqlite3.Connection) -> Collection[str]:
            old = rows.files_of_id(connection, record.id)
            digest = None if record.input is None else digest_of(record.input)
            data = rows.store_data({"input": _bytes(record.input)}, record.sequence, self._files)
            values = {**rows.accepted_values(record), **data, "input_digest": digest}
            rows.insert(connection, {**values, "kept_bytes": prediction.kept_bytes})
            connection.execute("DELETE FROM expired WHERE id = ?", (record.id,))
            return old

        self._writer.submit(Write(apply, forget_unwritten))

    def start(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder."""
        record, started_at = prediction.record(with_data=False), self._clock()

        def apply(connection: sqlite3.Connection) -> Collection[str]:
            values = {"status": "processing", "started_at": started_at, "attempt": record.attempt}
            rows.update(connection, record, values)
            return ()

        self._writer.submit(Write(apply, on_written, is_durable=False))

    def finish(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder. An end that cannot be written is kept in memory, and `expire` tries it again."""

        def keep_unwritten(error: NotRecorded | None) -> None:
            if error is not None:
                self._unwritten[prediction.id] = prediction
            on_written(error)

        self._write_end(prediction, keep_unwritten)

    def _write_end(self, prediction: Recordable, on_written: OnWritten) -> None:
        self._may_exceed_limits = True
        record = prediction.record()
        stream = prediction.stream
        data = {
            "output": _bytes(record.output),
            "logs": record.logs.encode("utf-8", "replace"),
            "events": None if stream is None else stream.dump(),
        }
        validation, training = self._validation(), record.kind == "training"
        hides_input = validation.has_secrets(training=training)
        if hides_input:
            # An input in a file stays as it is until the end, and is removed then.
            is_small = record.input is not None and len(record.input) <= MAX_ROW_BYTES
            data["input"] = (
                _bytes(validation.mask_secrets(record.input or b"", training=training)) if is_small else None
            )

        def apply(connection: sqlite3.Connection) -> Collection[str]:
            row = rows.find_current(connection, record)
            if row is None:
                return ()
            old = rows.files_of(row)
            columns = rows.store_data(data, record.sequence, self._files)
            input_file = rows.file_name(record.sequence, "input")
            keeps_file = input_file in old and not hides_input
            if keeps_file:
                columns["files"] = f"input {columns['files']}"
            values = rows.finished_values(record) | {"kept_bytes": prediction.kept_bytes}
            if record.sequence in self._delivered:
                values["is_webhook_due"] = False
            rows.update(connection, record, values | columns)
            return [] if keeps_file else old

        self._writer.submit(Write(apply, on_written))

    def webhook_delivered(self, prediction_id: str, created_at: float) -> None:
        """See Store."""
        self._may_exceed_limits = True
        unwritten = self._unwritten.get(prediction_id)
        if unwritten is not None and unwritten.record(with_data=False).created_at == created_at:
            self._delivered.add(unwritten.sequence)

        def apply(connection: sqlite3.Connection) -> Collection[str]:
            connection.execute(
                "UPDATE predictions SET is_webhook_due = 0 WHERE id = ? AND created_at = ?",
                (prediction_id, created_at),
            )
            return ()

        self._writer.submit(Write(apply, _ignore))

    async def get(self, prediction_id: str) -> Record | Expired | None:
        """See Store."""
        unwritten = self._unwritten.get(prediction_id)
        if unwritten is not None:
            return unwritten.record()

        def read(connection: sqlite3.Connection) -> Record | Expired | None:
            row = connection.execute(
                f"SELECT {rows.ALL_COLUMNS} FROM predictions WHERE id = ?", (prediction_id,)
            ).fetchone()
            if row is not None:
                return rows.record_of(row, self._files, with_data=True)
            found = connection.execute("SELECT 1 FROM expired WHERE id = ?", (prediction_id,)).fetchone()
            return None if found is None else Expired()

        return await self._read(read)

    async def recorded(self, prediction_ids: Collection[str]) -> Collection[str]:
        """See Store."""
        ids = msgspec.json.encode(list(prediction_ids)).decode()

        def read(connection: sqlite3.Connection) -> Collection[str]:
            query = "SELECT id FROM predictions WHERE id IN (SELECT value FROM json_each(?))"
            return {row["id"] for row in connection.execute(query, (ids,))}

        return await self._read(read)

    async def stream(self, prediction_id: str) -> PredictionStream | None:
        """See Store."""
        if prediction_id in self._unwritten:
            return self._unwritten[prediction_id].stream

        def read(connection: sqlite3.Connection) -> tuple[Record, bytes | None] | None:
            row = connection.execute(
                f"SELECT {rows.ALL_COLUMNS}, events FROM predictions WHERE id = ?", (prediction_id,)
            ).fetchone()
            if row is None:
                return None
            record = rows.record_of(row, self._files, with_data=True)
            return record, rows.value_of(row, "events", self._files)

        found = await self._read(read)
        if found is None or found[1] is None:
            return None
        return PredictionStream.load(found[1], found[0].snapshot())

    async def list(self, query: Query) -> Page:
        """See Store."""
        page = await self._read(lambda connection: self._list(connection, query))
        records = [self._latest(record) for record in page.records]
        return Page(records, page.older, page.newer)

    async def unfinished(self, after: int, limit: int) -> Sequence[Record]:
        """See Store."""
        return await self._read(
            lambda connection: self._next(connection, "completed_at IS NULL", after, limit)
        )

    async def undelivered(self, after: int, limit: int) -> Sequence[Record]:
        """See Store."""
        return await self._read(lambda connection: self._next(connection, "is_webhook_due = 1", after, limit))

    async def delete(self, prediction_id: str) -> bool:
        """See Store."""
        deleted = 0
        unwritten = self._unwritten.get(prediction_id)
        ended = -1 if unwritten is None else unwritten.sequence

        def apply(connection: sqlite3.Connection) -> Collection[str]:
            nonlocal deleted
            names = rows.files_of_id(connection, prediction_id)
            deleted = connection.execute(
                "DELETE FROM predictions WHERE id = ? AND (completed_at IS NOT NULL OR sequence = ?)",
                (prediction_id, ended),
            ).rowcount
            return names if deleted else ()

        await self._written(apply)
        if unwritten is not None:
            self._forget_unwritten(unwritten)
        return deleted == 1

    async def expire(self) -> None:
        """See Store."""
        for prediction in list(self._unwritten.values()):
            self._write_end(prediction, partial(self._written_at_last, prediction))
        now_s, limits = self._clock(), self._limits
        await self._in_steps(lambda connection: expire_old(connection, now_s - limits.ttl_s))
        if self._may_exceed_limits:
            self._may_exceed_limits = False
            try:
                await self._in_steps(lambda connection: expire_beyond(connection, limits))
            except NotRecorded:
                self._may_exceed_limits = True
                raise
        input_ttl_s = limits.input_ttl_s
        if input_ttl_s is not None:
            await self._in_steps(lambda connection: expire_inputs(connection, now_s - input_ttl_s))

    async def close(self) -> None:
        """See Store."""
        await asyncio.to_thread(self._writer.close)
        self._database.close()

    def _written_at_last(self, prediction: Recordable, error: NotRecorded | None) -> None:
        if error is None and self._unwritten.get(prediction.id) is prediction:
            log.info("prediction %s: its end is recorded now", prediction.id)
            self._forget_unwritten(prediction)

    def _forget_unwritten(self, prediction: Recordable) -> None:
        if self._unwritten.get(prediction.id) is prediction:
            del self._unwritten[prediction.id]
            self._delivered.discard(prediction.sequence)

    def _latest(self, record: Record) -> Record:
        """Return the record, or its end if that could not be written yet."""
        unwritten = self._unwritten.get(record.id)
        if unwritten is None or unwritten.sequence != record.sequence:
            return record
        return unwritten.record(with_data=False)

    def _next(
        self, connection: sqlite3.Connection, condition: str, after: int, limit: int
    ) -> Sequence[Record]:
        """Return at most `limit` records for which the condition holds, and about `_STEP_BYTES` of data."""
        found = connection.execute(
            f"SELECT {rows.ALL_COLUMNS} FROM predictions WHERE {condition} AND sequence > ? "
            "ORDER BY sequence LIMIT ?",
            (after, limit),
        )
        records: list[Record] = []
        size_bytes = 0
        for row in found:
            records.append(rows.record_of(row, self._files, with_data=True))
            size_bytes += records[-1].data_bytes
            if size_bytes >= _STEP_BYTES:
                break
        found.close()
        return records

    async def _written(self, apply: Apply) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_written(error: NotRecorded | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        self._writer.submit(Write(apply, on_written))
        await done

    async def _in_steps(self, remove: Callable[[sqlite3.Connection], Removed]) -> None:
        """Remove until less than a step is left. Other writes go between the steps."""
        names: Removed = []

        def apply(connection: sqlite3.Connection) -> Collection[str]:
            nonlocal names
            names = remove(connection)
            return list(itertools.chain.from_iterable(names))

        await self._written(apply)
        while len(names) == STEP:
            await self._written(apply)

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        def locked() -> T:
            try:
                with self._reading:
                    return read(self._database.reading)
            except (sqlite3.Error, OSError) as error:
                raise NotReadable(str(error)) from error

        return await asyncio.to_thread(locked)

    def _list(self, connection: sqlite3.Connection, query: Query) -> Page:
        conditions, values = ["kind = :kind"], {"kind": query.kind, "status": query.status}
        if query.status is not None:
            conditions.append("status = :status")
        cursor = query.cursor
        newest_first = cursor is None or cursor.direction == "before"

        def select(comparison: str, sequence: int, order: str, limit: int) -> list[sqlite3.Row]:
            where = " AND ".join([*conditions, f"sequence {comparison} :sequence"])
            return connection.execute(
                f"SELECT {rows.STATE_COLUMNS} FROM predictions WHERE {where}"
                f" ORDER BY sequence {order} LIMIT :limit",
                {**values, "sequence": sequence, "limit": limit},
            ).fetchall()

        if cursor is None:
            found = select("<", 2**62, "DESC", query.limit)
        elif newest_first:
            found = select("<", cursor.sequence, "DESC", query.limit)
        else:
            found = select(">", cursor.sequence, "ASC", query.limit)[::-1]
        records = [rows.record_of(row, self._files, with_data=False) for row in found]
        if not records:
            return Page([])
        older = select("<", records[-1].sequence, "DESC", 1)
        newer = select(">", records[0].sequence, "ASC", 1)
        return Page(
            records,
            Cursor("before", records[-1].sequence) if older else None,
            Cursor("after", records[0].sequence) if newer else None,
        )

    def _find_last_sequence(self) -> int:
        (last,) = self._database.writing.execute(
            "SELECT max((SELECT coalesce(max(sequence), 0) FROM predictions), "
            "(SELECT coalesce(max(sequence), 0) FROM expired))"
        ).fetchone()
        return int(last)

    def _remove_orphans(self) -> None:
        found = self._database.writing.execute("SELECT sequence, files FROM predictions WHERE files <> ''")
        self._files.keep_only({name for row in found for name in rows.files_of(row)})


def _bytes(value: msgspec.Raw | None) -> bytes | None:
    return None if value is None else bytes(memoryview(value))


def _ignore(error: NotRecorded | None) -> None:
    """The change is not waited for."""
