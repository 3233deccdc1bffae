"""The interface of a store of records, which every store implements, and the queries that it answers."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Literal, Protocol

from coglet_supervisor.predictions.prediction import Kind, Status
from coglet_supervisor.predictions.record import OnWritten, Record, Recordable
from coglet_supervisor.predictions.stream import PredictionStream

DEFAULT_PAGE: Final = 20
MAX_PAGE: Final = 100

_CURSOR = re.compile(r"([ba])(\d{1,18})")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Which ended predictions are kept: the latest `max_records`, at most `max_bytes` and `ttl_s` old.

    Their inputs are removed after `input_ttl_s` seconds, if that is set.
    """

    max_records: int
    max_bytes: int
    ttl_s: float
    input_ttl_s: float | None = None


@dataclass(frozen=True)
class Expired:
    """The store had a record of this id, and has removed it."""


@dataclass(frozen=True)
class Cursor:
    """A place in the list of records: before or after the record with this sequence number."""

    direction: Literal["before", "after"]
    sequence: int

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Return the cursor with this text, or None if there is none."""
        match = _CURSOR.fullmatch(text)
        return None if match is None else cls("before" if match[1] == "b" else "after", int(match[2]))

    def __str__(self) -> str:
        return f"{self.direction[0]}{self.sequence}"


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which records to list: those of a kind, with a status if one is given, at most `limit`.

    They come without input, output and logs, which may be large.
    """

    kind: Kind
    status: Status | None = None
    limit: int = DEFAULT_PAGE
    cursor: Cursor | None = None


@dataclass(frozen=True)
class Page:
    """Records, the latest first, and the cursors of older and newer ones, if there are any."""

    records: Sequence[Record]
    older: Cursor | None = None
    newer: Cursor | None = None


class NotReadable(Exception):
    """The store could not read its records; the text says why."""


class Store(Protocol):
    """Keeps records. The first three methods are those of Recorder; none of them blocks or raises.

    The queries raise NotReadable, the changes among them NotRecorded.

    Records are ordered by their sequence number; `last_sequence` is the highest one when the store was
    opened. Terminal ones are removed by age, number and size.
    """

    @property
    def is_durable(self) -> bool: ...

    @property
    def last_sequence(self) -> int: ...

    def accept(self, prediction: Recordable, on_written: OnWritten) -> None: ...

    def start(self, prediction: Recordable, on_written: OnWritten) -> None: ...

    def finish(self, prediction: Recordable, on_written: OnWritten) -> None: ...

    def webhook_delivered(self, prediction_id: str, created_at: float) -> None:
        """Note that the terminal state was sent to the webhook, or never will be.

        The time of its creation distinguishes the run from others of the same id.
        """
        ...

    async def unfinished(self, after: int, limit: int) -> Sequence[Record]:
        """Return the next records that have not ended, after sequence `after`: at most `limit`.

        They are fewer if their data are large; none only if there are no more.
        """
        ...

    async def undelivered(self, after: int, limit: int) -> Sequence[Record]:
        """Return records whose terminal webhook is due, as `unfinished` does."""
        ...

    async def get(self, prediction_id: str) -> Record | Expired | None:
        """Return the record with that id; Expired if it is known that there was one."""
        ...

    async def recorded(self, prediction_ids: Collection[str]) -> Collection[str]:
        """Return those of the ids of which there is a record."""
        ...

    async def stream(self, prediction_id: str) -> PredictionStream | None:
        """Return the events of the record with that id, if it is streaming and they are kept."""
        ...

    async def list(self, query: Query) -> Page:
        """Return one page of records."""
        ...

    async def delete(self, prediction_id: str) -> bool:
        """Forget a terminal record, as if it had never been there. False if there is none."""
        ...

    async def expire(self) -> None:
        """Remove the records and the inputs that are too old. Called regularly."""
        ...

    async def close(self) -> None:
        """Write what is left, and release files."""
        ...


def page_of(predictions: Iterable[Recordable], query: Query) -> Page:
    """Return the page of `predictions` that `query` asks for.

    `predictions` are all there are, in any order.
    """
    matching = sorted(
        (
            each
            for each in predictions
            if each.kind == query.kind and (query.status is None or each.status == query.status)
        ),
        key=attrgetter("sequence"),
        reverse=True,
    )
    cursor = query.cursor
    if cursor is None:
        start = 0
    elif cursor.direction == "before":
        start = sum(each.sequence >= cursor.sequence for each in matching)
    else:
        start = max(sum(each.sequence > cursor.sequence for each in matching) - query.limit, 0)
    page = matching[start : start + query.limit]
    has_older = len(matching) > start + query.limit
    return Page(
        [each.record(with_data=False) for each in page],
        Cursor("before", page[-1].sequence) if page and has_older else None,
        Cursor("after", page[0].sequence) if page and start else None,
    )
