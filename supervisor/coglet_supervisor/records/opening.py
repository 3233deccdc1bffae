"""Opening the store of records that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from coglet_supervisor.errors import StartupError
from coglet_supervisor.records.memory import MemoryStore
from coglet_supervisor.records.none import NoRecords
from coglet_supervisor.records.store import Limits, Store
from coglet_supervisor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from coglet_supervisor.predictions.validation import Validation

_SQLITE: Final = "sqlite:"
_MIB: Final = 1024 * 1024
_MEMORY_LIMITS: Final = Limits(max_records=1000, max_bytes=256 * _MIB, ttl_s=3600.0)
_SQLITE_LIMITS: Final = Limits(max_records=100_000, max_bytes=10 * 1024 * _MIB, ttl_s=7 * 24 * 3600.0)


def open_store(settings: Settings, validation: Callable[[], Validation]) -> Store:
    """Return the store of `COG_RECORDS`.

    `validation` returns what knows the secrets among the inputs. Raises StartupError.
    """
    text = settings.records
    if text == "memory":
        return MemoryStore(_limits(settings, _MEMORY_LIMITS))
    if text == "off":
        return NoRecords()
    if text.startswith(_SQLITE) and text != _SQLITE:
        # Imported here: most servers keep their records in memory.
        from coglet_supervisor.records.sqlite.store import SqliteStore

        path = Path(text.removeprefix(_SQLITE))
        return SqliteStore(path, _limits(settings, _SQLITE_LIMITS), validation)
    raise StartupError(f"COG_RECORDS is {text!r}, but must be memory, off or sqlite:PATH")


def kept_folder(settings: Settings) -> Path | None:
    """Return the folder for the files of clients and predictions, beside a durable store; else None."""
    if not settings.records.startswith(_SQLITE):
        return None
    path = Path(settings.records.removeprefix(_SQLITE))
    return path.with_name(f"{path.name}.kept")


def _limits(settings: Settings, defaults: Limits) -> Limits:
    return Limits(
        max_records=settings.records_max or defaults.max_records,
        max_bytes=settings.records_max_bytes or defaults.max_bytes,
        ttl_s=settings.records_ttl_s or defaults.ttl_s,
        input_ttl_s=settings.records_input_ttl_s,
    )
