"""The store that keeps nothing: a prediction is known while it is in flight."""

from collections.abc import Collection, Sequence
from typing import Final

from coglet_supervisor.predictions.record import OnWritten, Record, Recordable
from coglet_supervisor.predictions.stream import PredictionStream
from coglet_supervisor.records.store import Expired, Page, Query


class NoRecords:
    """See Store. `COG_RECORDS=off`."""

    def __init__(self) -> None:
        self.is_durable: Final = False
        self.last_sequence: Final = 0

    def accept(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder."""
        on_written(None)

    def start(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder."""
        on_written(None)

    def finish(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder."""
        on_written(None)

    def webhook_delivered(self, prediction_id: str, created_at: float) -> None:
        """See Store."""

    async def unfinished(self, after: int, limit: int) -> Sequence[Record]:
        """See Store."""
        return []

    async def undelivered(self, after: int, limit: int) -> Sequence[Record]:
        """See Store."""
        return []

    async def get(self, prediction_id: str) -> Record | Expired | None:
        """See Store."""
        return None

    async def recorded(self, prediction_ids: Collection[str]) -> Collection[str]:
        """See Store."""
        return ()

    async def stream(self, prediction_id: str) -> PredictionStream | None:
        """See Store."""
        return None

    async def list(self, query: Query) -> Page:
        """See Store."""
        return Page([])

    async def delete(self, prediction_id: str) -> bool:
        """See Store."""
        return False

    async def expire(self) -> None:
        """See Store."""

    async def close(self) -> None:
        """See Store."""
