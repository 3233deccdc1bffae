"""Removing old records from the SQLite file, a few at a time."""

import sqlite3
from typing import Final

from coglet_supervisor.records.sqlite import rows
from coglet_supervisor.records.store import Limits

# So few that other writes hardly wait.
_STEP: Final = 200
# How many ids of removed records are remembered.
_EXPIRED_IDS: Final = 100_000


def expire_step(connection: sqlite3.Connection, limits: Limits, now_s: float) -> list[str]:
    """Remove at most `_STEP` ended records and inputs beyond the limits. Return the names of files."""
    count, size_bytes = connection.execute(
        "SELECT count(*), coalesce(sum(kept_bytes), 0) FROM predictions WHERE completed_at IS NOT NULL"
    ).fetchone()
    names: list[str] = []
    oldest = connection.execute(
        "SELECT id, sequence, completed_at, kept_bytes, files FROM predictions "
        "WHERE completed_at IS NOT NULL AND is_webhook_due = 0 ORDER BY completed_at, sequence LIMIT ?",
        (_STEP,),
    ).fetchall()
    for row in oldest:
        is_old = row["completed_at"] <= now_s - limits.ttl_s
        if not (is_old or count > limits.max_records or size_bytes > limits.max_bytes):
            break
        connection.execute("DELETE FROM predictions WHERE sequence = ?", (row["sequence"],))
        connection.execute("INSERT OR REPLACE INTO expired VALUES (?, ?)", (row["id"], row["sequence"]))
        names += rows.files_of(row)
        count -= 1
        size_bytes -= row["kept_bytes"]
    connection.execute(
        "DELETE FROM expired WHERE sequence <= (SELECT max(sequence) FROM expired) - ?", (_EXPIRED_IDS,)
    )
    if limits.input_ttl_s is not None:
        names += _remove_inputs(connection, now_s - limits.input_ttl_s)
    return names


def _remove_inputs(connection: sqlite3.Connection, ended_before: float) -> list[str]:
    """Remove at most `_STEP` inputs of predictions that had ended by then. Return the names of files."""
    found = connection.execute(
        "SELECT sequence, files FROM predictions WHERE completed_at <= ? "
        "AND (input IS NOT NULL OR files LIKE '%input%') ORDER BY completed_at LIMIT ?",
        (ended_before, _STEP),
    ).fetchall()
    names: list[str] = []
    for row in found:
        others = [column for column in row["files"].split() if column != "input"]
        if len(others) < len(row["files"].split()):
            names.append(rows.file_name(row["sequence"], "input"))
        connection.execute(
            "UPDATE predictions SET input = NULL, files = ? WHERE sequence = ?",
            (" ".join(others), row["sequence"]),
        )
    return names
