"""The events of the page: changes of predictions and of the server, for as long as a page is open.

A page costs predictions nothing: while one is open, the state is compared twice a second with what it has
received, and without a page nothing is done.

| event | data | when |
|---|---|---|
| `ready` | `{}` | first: changes from here on are sent, so the page now reads the list |
| `server` | ServerReport | it has changed; memory every `_MEASURE_S` |
| `setup` | Setup | it has changed |
| `history` | samples | the last hour, then each new sample; not without metrics |
| `predictions` | Changes | some were created, have started or have ended |
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from coglet_supervisor.health import Setup
from coglet_supervisor.pages.ui.report import Sample, ServerReport, ServerView
from coglet_supervisor.predictions.hosted_body import timestamp
from coglet_supervisor.predictions.metrics import Metrics
from coglet_supervisor.predictions.prediction import TERMINAL, Status
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.predictions.stream import KEEP_ALIVE, KEEP_ALIVE_S
from coglet_supervisor.records.none import NoRecords
from coglet_supervisor.records.store import NotReadable, Query, Store

MAX_READERS: Final = 32
_STEP_S: Final = 0.5
_MEASURE_S: Final = 5.0
_PROGRESS_S: Final = 0.25
_LATEST: Final = 50
_MOST_CHARACTERS: Final = 1024 * 1024  # printed since the last event that an event has


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One prediction in the list, with the names and formats of the API."""

    id: str
    status: Status
    created_at: str
    started_at: str | None = None
    completed_at: str | None = None
    metrics: Metrics = {}
    error: str | None = None

    @classmethod
    def of(cls, record: Record) -> "Row":
        """Return the row of a record."""
        return cls(
            record.id,
            record.status,
            timestamp(record.created_at),
            timestamp(record.started_at) if record.started_at is not None else None,
            timestamp(record.completed_at) if record.completed_at is not None else None,
            record.metrics,
            record.error,
        )


class Changes(msgspec.Struct, frozen=True):
    """Changed predictions, the latest first. With `is_partial`, there are others: read the list again."""

    rows: list[Row]
    is_partial: bool


class Progress(msgspec.Struct, frozen=True):
    """What a prediction has printed since the last one; with `is_reset`, replace what came before:
    much was printed at once, of which this is the end.
    """

    status: Status
    logs: str
    is_reset: bool


class TooManyReaders(Exception):
    """`MAX_READERS` pages are open already."""


class LiveEvents:
    """Makes the events for each page that is open."""

    def __init__(self, service: PredictionService, store: Store, view: ServerView) -> None:
        self._service = service
        self._store = store
        self._view = view
        self._readers = 0

    @property
    def has_records(self) -> bool:
        """Whether what a prediction returned can be read after its end."""
        return not isinstance(self._store, NoRecords)

    def check_room(self) -> None:
        """Raise TooManyReaders if no other page may follow."""
        if self._readers >= MAX_READERS:
            raise TooManyReaders

    async def changes(self) -> AsyncIterator[bytes]:
        """Yield the events of the server and its predictions until it stops."""
        self._readers += 1
        try:
            async for chunk in self._changes():
                yield chunk
        finally:
            self._readers -= 1

    async def progress(self, prediction_id: str) -> AsyncIterator[bytes]:
        """Yield what a prediction in flight prints, and then `completed`. Ends at once if there is none."""
        self._readers += 1
        try:
            async for chunk in self._progress(prediction_id):
                yield chunk
        finally:
            self._readers -= 1

    async def _changes(self) -> AsyncIterator[bytes]:
        latest, server = _Latest(self._store), _ServerChanges(self._view)
        counted, sent_s = self._service.ended_count, time.monotonic()
        await latest.start()
        yield _event("ready", {})
        while not self._view.is_stopping():
            chunks = await server.events()
            # Read before the list: what ends in the meantime is found at the next step.
            in_flight, ended = self._service.in_flight, self._service.ended_count
            if in_flight or ended != counted:
                changes = await latest.changes(ended - counted)
                counted = ended
                if changes.rows or changes.is_partial:
                    chunks.append(_event("predictions", changes))
            if not chunks and time.monotonic() - sent_s >= KEEP_ALIVE_S:
                chunks.append(KEEP_ALIVE)
            if chunks:
                sent_s = time.monotonic()
                yield b"".join(chunks)
            await asyncio.sleep(_STEP_S)

    async def _progress(self, prediction_id: str) -> AsyncIterator[bytes]:
        run = self._service.find(prediction_id)
        seen, status, sent_s = 0, None, time.monotonic()
        is_done = run is None
        while run is not None and not is_done:
            is_done = await run.prediction.wait_terminal(_PROGRESS_S) or run is not self._service.find(
                prediction_id
            )
            printed, now_s = run.prediction.printed, time.monotonic()
            if printed.characters != seen or run.recorded.status != status:
                count, seen, status = printed.characters - seen, printed.characters, run.recorded.status
                new = printed.latest(min(count, _MOST_CHARACTERS))
                is_reset = new is None or count > _MOST_CHARACTERS
                yield _event("progress", Progress(status, printed.text if new is None else new, is_reset))
            elif now_s - sent_s >= KEEP_ALIVE_S:
                yield KEEP_ALIVE
            else:
                continue
            sent_s = now_s
        yield _event("completed", {})


class _ServerChanges:
    """The state of the server, as a reader has received it."""

    def __init__(self, view: ServerView) -> None:
        self._view = view
        self._report: ServerReport | None = None
        self._setup: Setup | None = None
        self._sampled_at: float | None = None
        self._measured_s = -math.inf

    async def events(self) -> list[bytes]:
        """Return the events of what has changed."""
        view, events = self._view, []
        if (now_s := time.monotonic()) - self._measured_s >= _MEASURE_S:
            self._measured_s = now_s
            with contextlib.suppress(RuntimeError):  # no thread is available; memory stays as it was
                await asyncio.to_thread(view.measure)
        if (report := view.report()) != self._report:
            self._report = report
            events.append(_event("server", report))
        if (setup := view.setup()) != self._setup:
            self._setup = setup
            events.append(_event("setup", setup))
        if view.samples is not None and (samples := self._new(view.samples())) is not None:
            events.append(_event("history", samples))
        return events

    def _new(self, samples: Sequence[Sample]) -> Sequence[Sample] | None:
        """Return the samples that were not sent, or None; at first all of them, even if there are none."""
        sampled_at, is_first = self._sampled_at or 0.0, self._sampled_at is None
        new = [sample for sample in samples if sample.at > sampled_at]
        self._sampled_at = new[-1].at if new else sampled_at
        return new if new or is_first else None


class _Latest:
    """The latest predictions, and which of them have changed since the last call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[int, Status]] = {}  # number and status by id
        self._unseen_ends = 0  # negative: of these the ends were seen before they were counted

    async def start(self) -> None:
        """Note the predictions so far."""
        await self.changes(0)
        self._unseen_ends = 0

    async def changes(self, ended: int) -> Changes:
        """Return the predictions that are new or changed; `ended` have ended since the last call."""
        try:
            page = await self._store.list(Query(kind="prediction", limit=_LATEST))
        except NotReadable:  # the route of the list says why, to the page and in the log
            return Changes([], is_partial=False)
        known, self._known = self._known, {each.id: (each.sequence, each.status) for each in page.records}
        if len(self._known) == _LATEST and not self._known.keys() & known.keys():
            return Changes([], is_partial=True)  # the page reads the list anew
        changed = [Row.of(each) for each in page.records if known.get(each.id) != self._known[each.id]]
        return Changes(changed, is_partial=self._has_unseen(changed, ended))

    def _has_unseen(self, changed: Sequence[Row], ended: int) -> bool:
        """Return whether others than the latest have ended: those that waited in a long queue."""
        self._unseen_ends += ended - sum(row.status in TERMINAL for row in changed)
        if not self._known or self._unseen_ends <= 0:
            return False
        self._unseen_ends = 0
        return True


def _event(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
