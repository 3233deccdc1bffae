"""Opening the store of records that the settings name."""

from coglet_supervisor.records.memory import MemoryStore
from coglet_supervisor.records.store import Store
from coglet_supervisor.settings import Settings


def open_store(settings: Settings) -> Store:
    """Return the store of `COG_RECORDS`. With `off`, records are removed as soon as they are terminal."""
    return MemoryStore(
        max_records=0 if settings.records == "off" else settings.records_max,
        max_bytes=settings.records_max_bytes,
        ttl_s=settings.records_ttl_s,
    )
