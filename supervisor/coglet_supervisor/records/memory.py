"""The store in memory: the latest records, within limits of number, size and age."""

import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final

from coglet_supervisor.predictions.record import OnWritten, Record, Recordable
from coglet_supervisor.predictions.stream import PredictionStream
from coglet_supervisor.records.store import Expired, Limits, Page, Query, page_of

# How many ids of removed records are remembered, to distinguish expired from unknown ones.
_EXPIRED_IDS: Final = 10_000


# A prediction, its size in bytes, and since when it is kept: a tuple, because each prediction makes one.
_Kept = tuple[Recordable, int, float]


class MemoryStore:
    """Keeps the predictions themselves, and makes a record when one is asked for.

    So a prediction costs two entries in dictionaries. `clock` returns seconds, from any start.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_durable: Final = False
        self.last_sequence: Final = 0
        self._limits = limits
        self._clock = clock
        self._unfinished: dict[str, Recordable] = {}
        self._finished: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._expired: OrderedDict[str, None] = OrderedDict()

    def accept(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder."""
        self._remove(prediction.id)
        self._expired.pop(prediction.id, None)
        self._unfinished[prediction.id] = prediction
        on_written(None)

    def start(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder. Nothing is to be done, because the prediction itself is kept."""
        on_written(None)

    def finish(self, prediction: Recordable, on_written: OnWritten) -> None:
        """See Recorder."""
        self._unfinished.pop(prediction.id, None)
        size_bytes = prediction.kept_bytes
        self._finished[prediction.id] = (prediction, size_bytes, self._clock())
        self._bytes += size_bytes
        while len(self._finished) > self._limits.max_records or self._bytes > self._limits.max_bytes:
            self._expire_oldest()
        on_written(None)

    def webhook_delivered(self, prediction_id: str, created_at: float) -> None:
        """See Store. The memory has no earlier server's records, so there is nothing to note."""

    async def unfinished(self, after: int, limit: int) -> Sequence[Record]:
        """See Store."""
        return []

    async def undelivered(self, after: int, limit: int) -> Sequence[Record]:
        """See Store."""
        return []

    async def get(self, prediction_id: str) -> Record | Expired | None:
        """See Store."""
        prediction = self._find(prediction_id)
        if prediction is not None:
            return prediction.record()
        return Expired() if prediction_id in self._expired else None

    async def recorded(self, prediction_ids: Collection[str]) -> Collection[str]:
        """See Store."""
        return {each for each in prediction_ids if self._find(each) is not None}

    async def stream(self, prediction_id: str) -> PredictionStream | None:
        """See Store."""
        prediction = self._find(prediction_id)
        return None if prediction is None else prediction.stream

    async def list(self, query: Query) -> Page:
        """See Store."""
        finished = (prediction for prediction, _, _ in self._finished.values())
        return page_of(itertools.chain(self._unfinished.values(), finished), query)

    async def delete(self, prediction_id: str) -> bool:
        """See Store."""
        return self._remove(prediction_id)

    async def expire(self) -> None:
        """See Store."""
        now_s = self._clock()
        while self._finished and next(iter(self._finished.values()))[2] <= now_s - self._limits.ttl_s:
            self._expire_oldest()
        if self._limits.input_ttl_s is not None:
            for prediction, _, since in self._finished.values():  # the oldest first
                if since > now_s - self._limits.input_ttl_s:
                    break
                prediction.drop_input()

    async def close(self) -> None:
        """See Store."""

    def _find(self, prediction_id: str) -> Recordable | None:
        unfinished = self._unfinished.get(prediction_id)
        if unfinished is not None:
            return unfinished
        kept = self._finished.get(prediction_id)
        return None if kept is None else kept[0]

    def _remove(self, prediction_id: str) -> bool:
        kept = self._finished.pop(prediction_id, None)
        if kept is None:
            return False
        self._bytes -= kept[1]
        return True

    def _expire_oldest(self) -> None:
        prediction_id, (_, size_bytes, _) = self._finished.popitem(last=False)
        self._bytes -= size_bytes
        self._expired[prediction_id] = None
        if len(self._expired) > _EXPIRED_IDS:
            self._expired.popitem(last=False)
