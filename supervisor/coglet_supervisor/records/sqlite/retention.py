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
    """Remove at most `_STEP` ended records beyond the limits. Return the names of their files."""
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
    if names or oldest:
        connection.execute(
            "DELETE FROM expired WHERE sequence <= (SELECT max(sequence) FROM expired) - ?", (_EXPIRED_IDS,)
        )
    return names
