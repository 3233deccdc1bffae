"""Removing old records from the SQLite file, a few at a time."""

import sqlite3
from typing import Final

from coglet_supervisor.records.sqlite import rows
from coglet_supervisor.records.sqlite.database import HAS_INPUT, REMOVABLE
from coglet_supervisor.records.store import Limits

# So few that other writes hardly wait.
STEP: Final = 200
# The names of the files of each record or input that was removed, at most `STEP` of them.
Removed = list[list[str]]
# How many ids of removed records are remembered.
_EXPIRED_IDS: Final = 100_000

_SELECT: Final = f"SELECT id, sequence, kept_bytes, files FROM predictions WHERE {REMOVABLE}"


def expire_old(connection: sqlite3.Connection, ended_before: float) -> Removed:
    """Remove records that had ended by then."""
    found = connection.execute(
        f"{_SELECT} AND completed_at <= ? ORDER BY completed_at LIMIT ?", (ended_before, STEP)
    ).fetchall()
    return _expire(connection, found)


def expire_beyond(connection: sqlite3.Connection, limits: Limits) -> Removed:
    """Remove the records beyond the limits of number and bytes, by the order of their acceptance.

    The order of their ends would be another one after the clock went back.
    """
    count, size_bytes = connection.execute(
        f"SELECT count(*), coalesce(sum(kept_bytes), 0) FROM predictions WHERE {REMOVABLE}"
    ).fetchone()
    found: list[sqlite3.Row] = []
    for row in connection.execute(f"{_SELECT} ORDER BY sequence LIMIT ?", (STEP,)).fetchall():
        if count <= limits.max_records and size_bytes <= limits.max_bytes:
            break
        found.append(row)
        count -= 1
        size_bytes -= row["kept_bytes"]
    return _expire(connection, found)


def expire_inputs(connection: sqlite3.Connection, ended_before: float) -> Removed:
    """Remove the inputs of predictions that had ended by then."""
    found = connection.execute(
        "SELECT sequence, files FROM predictions "
        f"WHERE completed_at IS NOT NULL AND {HAS_INPUT} AND completed_at <= ? ORDER BY completed_at LIMIT ?",
        (ended_before, STEP),
    ).fetchall()
    names: Removed = []
    for row in found:
        columns = row["files"].split()
        names.append([rows.file_name(row["sequence"], "input")] if "input" in columns else [])
        connection.execute(
            "UPDATE predictions SET input = NULL, files = ? WHERE sequence = ?",
            (" ".join(column for column in columns if column != "input"), row["sequence"]),
        )
    return names


def _expire(connection: sqlite3.Connection, found: list[sqlite3.Row]) -> Removed:
    for row in found:
        connection.execute("DELETE FROM predictions WHERE sequence = ?", (row["sequence"],))
        connection.execute("INSERT OR REPLACE INTO expired VALUES (?, ?)", (row["id"], row["sequence"]))
    if found:
        connection.execute(
            "DELETE FROM expired WHERE sequence <= (SELECT max(sequence) FROM expired) - ?", (_EXPIRED_IDS,)
        )
    return [rows.files_of(row) for row in found]
