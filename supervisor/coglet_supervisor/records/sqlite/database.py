"""Opening the SQLite file: one server at a time, the right program and version, undamaged."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from coglet_supervisor.errors import StartupError

APPLICATION_ID: Final = 0x70796367  # 'pycg'
BUSY_TIMEOUT_S: Final = 5.0
# A check of all pages takes about a second for this size.
_CHECKED_BYTES: Final = 256 * 1024 * 1024

# Conditions of the partial indexes, which SQLite uses only for the same words. A record whose webhook is due
# stays until it was delivered, whatever the limits are.
REMOVABLE: Final = "completed_at IS NOT NULL AND is_webhook_due = 0"
HAS_INPUT: Final = "(input IS NOT NULL OR instr(files, 'input'))"

_FIRST_VERSION: Final = f"""
CREATE TABLE predictions (
    id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    input BLOB,
    input_digest BLOB,
    output BLOB,
    logs BLOB,
    events BLOB,
    files TEXT NOT NULL DEFAULT '',
    error TEXT,
    metrics BLOB NOT NULL DEFAULT '{{}}',
    created_at REAL NOT NULL,
    started_at REAL,
    completed_at REAL,
    attempt INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0,
    context BLOB NOT NULL DEFAULT '{{}}',
    webhook BLOB,
    is_webhook_due INTEGER NOT NULL DEFAULT 0,
    is_detached INTEGER NOT NULL,
    is_streaming INTEGER NOT NULL,
    deadline REAL,
    hosted BLOB,
    kept_bytes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX by_kind ON predictions (kind, sequence);
CREATE INDEX by_status ON predictions (kind, status, sequence);
CREATE INDEX by_end ON predictions (completed_at, kept_bytes, is_webhook_due) WHERE {REMOVABLE};
CREATE INDEX removable ON predictions (sequence) WHERE {REMOVABLE};
CREATE INDEX with_input ON predictions (completed_at) WHERE completed_at IS NOT NULL AND {HAS_INPUT};
CREATE INDEX unfinished ON predictions (sequence) WHERE completed_at IS NULL;
CREATE INDEX undelivered ON predictions (sequence) WHERE is_webhook_due = 1;
CREATE TABLE expired (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL);
CREATE INDEX expired_by_sequence ON expired (sequence);
"""
# One script for each version of the format, which changes the version before it.
MIGRATIONS: Final = (_FIRST_VERSION,)


class Database:
    """The file with the records, locked for this process. Raises StartupError if it cannot be used."""

    def __init__(self, path: Path) -> None:
        # The lock and the files beside it are the same by whatever name the file is given.
        self.path: Final = Path(os.path.realpath(path))
        self._lock = _lock(self.path, given=path)
        try:
            with explained(path):
                _create(self.path)
                self.writing: Final = self._connect()
                _prepare(self.writing, path)
                self.reading: Final = self._connect()
        except BaseException:  # the lock must not outlive a failed start
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the connections, and let another server use the file."""
        self.reading.close()
        self.writing.close()
        os.close(self._lock)

    def _connect(self) -> sqlite3.Connection:
        # Each connection is used by one thread at a time, but not always by the one that opened it.
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection


def _lock(path: Path, given: Path) -> int:
    """Lock the file against other servers, and return the descriptor that holds the lock."""
    lock_path = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartupError(
            f"cannot open the records in {given}: {error.strerror}: {lock_path}; correct COG_RECORDS"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StartupError(
            f"the records in {given} are in use by another server; stop it, or use another file"
        ) from None
    return descriptor


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise StartupError, which says what to do, in place of an error of SQLite or of the file system."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StartupError(f"cannot open the records in {path}: {error}; correct COG_RECORDS") from None
    except sqlite3.DatabaseError as error:
        raise StartupError(
            f"the records in {path} are damaged ({error}); restore them from a backup, or move the file away "
            "to start without them"
        ) from None
    except OSError as error:
        raise StartupError(
            f"cannot open the records in {path}: {error.strerror}: {error.filename}; correct COG_RECORDS"
        ) from None


def _create(path: Path) -> None:
    """Create the file if there is none, for its owner alone: SQLite gives the others the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check the file, create or migrate its tables, and set the modes of the connection."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise StartupError(f"{path} is a database of another program; name another file in COG_RECORDS")
    if version > len(MIGRATIONS):
        raise StartupError(
            f"the records in {path} were written by a newer release (format {version}, this release reads up "
            f"to {len(MIGRATIONS)}); install that release, or use another file"
        )
    if path.stat().st_size <= _CHECKED_BYTES:
        (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for number in range(version, len(MIGRATIONS)):
        # In one transaction with the version, so that a crash leaves the one or the other format.
        connection.executescript(f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")
