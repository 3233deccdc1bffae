"""Rows of the table `predictions`, and records."""

import sqlite3
from collections.abc import Collection
from typing import Any, Final

import msgspec

from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.metrics import Metrics
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.records.sqlite.files import MAX_ROW_BYTES, Files

STATE_COLUMNS: Final = (
    "id, kind, sequence, status, error, metrics, created_at, started_at, completed_at, attempt, priority, "
    "context, webhook, is_detached, is_streaming, deadline, hosted, input_digest, kept_bytes, files"
)
ALL_COLUMNS: Final = f"{STATE_COLUMNS}, input, output, logs"

_CURRENT: Final = "sequence = :sequence AND attempt <= :attempt AND completed_at IS NULL"

_encode: Final = msgspec.json.Encoder().encode
_metrics: Final = msgspec.json.Decoder(Metrics)
_context: Final = msgspec.json.Decoder(dict[str, str])
_hook: Final = msgspec.json.Decoder(Hook)
_hosted: Final = msgspec.json.Decoder(HostedCall)


def file_name(sequence: int, column: str) -> str:
    """Return the name of the file with the value of a column."""
    return f"{sequence}.{column}"


def files_of(row: sqlite3.Row) -> list[str]:
    """Return the names of the files to which a row refers."""
    return [file_name(row["sequence"], column) for column in row["files"].split()]


def files_of_id(connection: sqlite3.Connection, prediction_id: str) -> list[str]:
    """Return the names of the files of a prediction."""
    row = connection.execute(
        "SELECT sequence, files FROM predictions WHERE id = ?", (prediction_id,)
    ).fetchone()
    return [] if row is None else files_of(row)


def record_of(row: sqlite3.Row, files: Files, *, with_data: bool) -> Record:
    """Return the record of a row; its data are read if they are wanted."""
    data: dict[str, bytes | None] = {"input": None, "output": None, "logs": None}
    if with_data:
        data = {column: value_of(row, column, files) for column in data}
    webhook, hosted = row["webhook"], row["hosted"]
    return Record(
        id=row["id"],
        kind=row["kind"],
        sequence=row["sequence"],
        status=row["status"],
        input=_raw(data["input"]),
        output=_raw(data["output"]),
        logs=(data["logs"] or b"").decode(),
        error=row["error"],
        metrics=_metrics.decode(row["metrics"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        attempt=row["attempt"],
        priority=row["priority"],
        context=_context.decode(row["context"]),
        webhook=None if webhook is None else _hook.decode(webhook),
        is_detached=bool(row["is_detached"]),
        is_streaming=bool(row["is_streaming"]),
        is_data_removed=with_data and data["input"] is None,
        input_digest=row["input_digest"],
        kept_bytes=row["kept_bytes"],
        deadline=row["deadline"],
        hosted=None if hosted is None else _hosted.decode(hosted),
    )


def value_of(row: sqlite3.Row, column: str, files: Files) -> bytes | None:
    """Return the value of a data column, from its file if it lies in one."""
    if column in row["files"].split():
        return files.read(file_name(row["sequence"], column))
    value: bytes | None = row[column]
    return value


def accepted_values(record: Record) -> dict[str, Any]:
    """Return the values of a new row, without the input."""
    return {
        "id": record.id,
        "sequence": record.sequence,
        "kind": record.kind,
        "status": record.status,
        "created_at": record.created_at,
        "priority": record.priority,
        "context": _encode(record.context),
        "webhook": None if record.webhook is None else _encode(record.webhook),
        "is_detached": record.is_detached,
        "is_streaming": record.is_streaming,
        "deadline": record.deadline,
        "hosted": None if record.hosted is None else _encode(record.hosted),
    }


def finished_values(record: Record) -> dict[str, Any]:
    """Return the values that the end of a prediction changes, without its data."""
    return {
        "status": record.status,
        "error": record.error,
        "metrics": _encode(record.metrics),
        "started_at": record.started_at,
        "completed_at": record.completed_at,
        "is_webhook_due": record.webhook is not None and record.webhook.wants_end,
    }


def insert(connection: sqlite3.Connection, values: dict[str, Any]) -> None:
    """Insert a row, in place of one with the same id."""
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT OR REPLACE INTO predictions ({names}) VALUES ({places})", values)


def update(connection: sqlite3.Connection, record: Record, values: dict[str, Any]) -> None:
    """Change the row of this run of the prediction.

    A later run of its id, a later attempt and one that has ended are not changed.
    """
    changes = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(
        f"UPDATE predictions SET {changes} WHERE {_CURRENT}",
        {**values, "sequence": record.sequence, "attempt": record.attempt},
    )


def find_current(connection: sqlite3.Connection, record: Record) -> sqlite3.Row | None:
    """Return the sequence and the files of the row that `update` would change."""
    row: sqlite3.Row | None = connection.execute(
        f"SELECT sequence, files FROM predictions WHERE {_CURRENT}",
        {"sequence": record.sequence, "attempt": record.attempt},
    ).fetchone()
    return row


def names_in_use(connection: sqlite3.Connection, names: Collection[str]) -> set[str]:
    """Return those of the files to which a row refers."""
    used: set[str] = set()
    for sequence in {name.partition(".")[0] for name in names}:
        for row in connection.execute(
            "SELECT sequence, files FROM predictions WHERE sequence = ?", (int(sequence),)
        ):
            used.update(files_of(row))
    return used & set(names)


def store_data(values: dict[str, bytes | None], sequence: int, files: Files) -> dict[str, Any]:
    """Return the columns for data, after writing values larger than `MAX_ROW_BYTES` into files."""
    columns: dict[str, Any] = {}
    in_files: list[str] = []
    for column, value in values.items():
        if value is not None and len(value) > MAX_ROW_BYTES:
            files.write(file_name(sequence, column), value)
            in_files.append(column)
            columns[column] = None
        else:
            columns[column] = value
    columns["files"] = " ".join(in_files)
    return columns


def _raw(value: bytes | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(value)
