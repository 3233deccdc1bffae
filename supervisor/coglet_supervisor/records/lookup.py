"""Finding the state of a prediction: of its run while it is in flight, else of its record."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from coglet_supervisor.predictions.prediction import TERMINAL
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.records.store import Expired, Store

LISTED_BYTES: Final = 16 * 1024 * 1024
"""How much data of predictions a page of a list has; together they may be larger than the memory."""


async def find_record(
    service: PredictionService, store: Store, prediction_id: str
) -> Record | Expired | None:
    """Return the state of a prediction; a terminal one once the store has written it."""
    run = service.find(prediction_id)
    if run is None:
        return await store.get(prediction_id)
    if run.recorded.status in TERMINAL:  # the store is writing it
        await run.prediction.wait_terminal()
    record = run.recorded.record()
    if not (record.is_data_removed and store.is_durable):
        return record
    # Its input is too large for the memory while it waits, but not for the store.
    written = await store.get(prediction_id)
    if not isinstance(written, Record) or written.sequence != record.sequence:
        return record
    return msgspec.structs.replace(record, input=written.input, is_data_removed=written.is_data_removed)


async def find_without_run(service: PredictionService, store: Store, prediction_id: str) -> Record | None:
    """Return the record of a prediction that is not in flight.

    It has ended, or it was left to the next server.
    """
    found = await store.get(prediction_id)
    if isinstance(found, Record) and found.status not in TERMINAL and service.find(prediction_id) is None:
        found = await store.get(prediction_id)  # it may have ended while the store was asked
    if not isinstance(found, Record) or service.find(prediction_id) is not None:
        return None
    return found


async def with_data(store: Store, records: Iterable[Record]) -> Sequence[Record]:
    """Return the records of a page with their data, as far as these fit into `LISTED_BYTES`."""
    room = LISTED_BYTES
    found = []
    for record in records:
        full = None
        if record.kept_bytes <= room:
            room -= record.kept_bytes
            full = await store.get(record.id)
        found.append(full if isinstance(full, Record) else record)
    return found
