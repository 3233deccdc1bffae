"""Server-sent events of one prediction: a bounded history, which each subscriber reads at its own pace.

Events are encoded once. A subscriber is a cursor into the history and has no queue of its own, so many of
them need hardly any memory, and slow ones together need at most `MAX_BACKLOG_BYTES` and one event.
"""

import asyncio
from collections import deque
from typing import Final

import msgspec

from coglet_supervisor.predictions.events import Completed, Event, Logged, Measured, Produced, Started
from coglet_supervisor.predictions.prediction import Prediction, Snapshot

MAX_SUBSCRIBERS: Final = 1024
MAX_BACKLOG_BYTES: Final = 16 * 1024 * 1024
KEEP_ALIVE_S: Final = 15.0
KEEP_ALIVE: Final = b": keep-alive\n\n"
# The most that is sent in one chunk; a larger one would only wait in the socket's buffer.
_CHUNK_BYTES: Final = 256 * 1024

_encode: Final = msgspec.json.Encoder().encode
_dumped: Final = msgspec.msgpack.Decoder(tuple[int, int, list[bytes]])


class TooManySubscribers(Exception):
    """The prediction has `MAX_SUBSCRIBERS` subscribers already."""


class PredictionStream:
    """The listener of one prediction; keeps the events that subscribers may still read.

    `history` is how many events are kept for later readers. With `awaits_reader`, a reader is about to
    subscribe who gets all events.
    """

    def __init__(
        self, history: int, keep_alive_s: float = KEEP_ALIVE_S, *, awaits_reader: bool = False
    ) -> None:
        self.keep_alive_s = keep_alive_s
        self._history = history
        self._awaits_reader = awaits_reader
        self._events: deque[bytes] = deque()
        self._first = 0  # the number of the oldest event that is kept
        self._bytes = 0
        self.is_completed = False
        self._subscribers: set[Subscription] = set()

    @property
    def end(self) -> int:
        """The number that the next event will have."""
        return self._first + len(self._events)

    def size_at_end_bytes(self, data_bytes: int) -> int:
        """Return the size of the events that are kept once the prediction, with this much data, has ended."""
        return self._bytes if self.is_completed else self._bytes + data_bytes

    def on_event(self, prediction: Prediction, event: Event) -> None:
        """Encode and keep the event, and wake the subscribers."""
        self._append(encode_event(prediction, event, self.end))
        if isinstance(event, Completed):
            self.is_completed = True  # no event follows, so no room is needed
        elif len(self._events) > self._history or self._bytes > MAX_BACKLOG_BYTES:
            self._trim()
        for subscriber in self._subscribers:
            subscriber.wake()

    def close(self) -> None:
        """End the stream of all readers, without a terminal event."""
        self.is_completed = True
        for subscriber in self._subscribers:
            subscriber.wake()

    def dump(self) -> bytes:
        """Return the events so far, for `load`."""
        return msgspec.msgpack.encode((self._first, self._history, list(self._events)))

    @classmethod
    def load(cls, dumped: bytes, end: Snapshot) -> "PredictionStream":
        """Return the stream of a prediction that has ended, from its events before the end."""
        first, history, events = _dumped.decode(dumped)
        stream = cls(history)
        stream._first, stream._events = first, deque(events)
        stream._append(_event(stream.end, b"completed", _encode(end)))
        stream.is_completed = True
        return stream

    def subscribe(self, after: int | None = None) -> "Subscription":
        """Add a reader that starts at the first event, or at the one after number `after`.

        Where events are not kept any more, it gets an error event in their place. Raises TooManySubscribers.
        """
        if len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise TooManySubscribers
        wanted = min(after + 1, self.end) if after is not None else 0
        oldest = self._first if self._awaits_reader else max(self._first, self.end - self._history)
        self._awaits_reader = False
        subscriber = Subscription(self, max(wanted, oldest), skipped=max(oldest - wanted, 0))
        self._subscribers.add(subscriber)
        return subscriber

    @property
    def subscribers(self) -> int:
        """How many clients read it."""
        return len(self._subscribers)

    def unsubscribe(self, subscriber: "Subscription") -> None:
        """Remove a reader. Idempotent."""
        self._subscribers.discard(subscriber)

    def read(self, cursor: int) -> tuple[bytes, int]:
        """Return about one chunk of events from number `cursor` on, and the number of the next event."""
        pieces: list[bytes] = []
        size = 0
        for index in range(cursor - self._first, len(self._events)):
            if size >= _CHUNK_BYTES:
                break
            event = self._events[index]  # not islice, which iterates over all earlier events
            pieces.append(event)
            size += len(event)
        return b"".join(pieces), cursor + len(pieces)

    def skip_lost(self, cursor: int) -> tuple[bytes, int]:
        """Return an error event and the number of the oldest event if events after `cursor` were dropped.

        Otherwise return no bytes and `cursor`.
        """
        if cursor >= self._first:
            return b"", cursor
        body = {"error": "SSE stream lagged; events were dropped", "skipped": self._first - cursor}
        return b"event: error\ndata: " + _encode(body) + b"\n\n", self._first

    def _append(self, encoded: bytes) -> None:
        self._events.append(encoded)
        self._bytes += len(encoded)

    def _trim(self) -> None:
        """Drop events that neither the history nor a reader needs, and those beyond `MAX_BACKLOG_BYTES`.

        An event is dropped for its size only when the events after it fill the limit, so that readers have a
        chance to read an event of any size.
        """
        if self._awaits_reader:
            needed = self._first
        else:
            needed = min((reader.cursor for reader in self._subscribers), default=self.end)
        keep_from = min(self.end - self._history, needed)
        while self._events:
            oldest = len(self._events[0])
            if self._first >= keep_from and self._bytes - oldest <= MAX_BACKLOG_BYTES:
                return
            self._events.popleft()
            self._bytes -= oldest
            self._first += 1


class Subscription:
    """One reader's position in a stream. `skipped` events before it are not kept any more."""

    def __init__(self, stream: PredictionStream, cursor: int, *, skipped: int = 0) -> None:
        self.cursor = cursor
        self._skipped = skipped
        self._stream = stream
        self._waiting: asyncio.Future[None] | None = None
        self._is_closed = False

    @property
    def is_over(self) -> bool:
        """True if there is nothing more to read."""
        return self._stream.is_completed and self.cursor == self._stream.end

    def close(self) -> None:
        """End `next_chunk`: the reader has disconnected."""
        self._is_closed = True
        self.wake()

    def wake(self) -> None:
        """Wake a waiting `next_chunk`, because there is a new event or the reader has disconnected."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next_chunk(self) -> bytes | None:
        """Wait for the next events and return them; KEEP_ALIVE if none come; None at the end."""
        stream = self._stream
        if self._skipped:
            notice, self._skipped = _truncated(self._skipped), 0
            return notice
        while self.cursor == stream.end:
            if stream.is_completed or self._is_closed:
                return None
            if not await self._wait():
                return KEEP_ALIVE
        notice, self.cursor = stream.skip_lost(self.cursor)
        chunk, self.cursor = stream.read(self.cursor)
        return notice + chunk

    async def _wait(self) -> bool:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(self._stream.keep_alive_s, self.wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None
        return self._is_closed or self.cursor != self._stream.end


def encode_event(prediction: Prediction, event: Event, number: int) -> bytes:
    """Encode an event in the format of the HTML standard, section "Server-sent events"."""
    match event:
        case Produced():
            return _event(number, b"output", b'{"chunk":%b,"index":%d}' % (event.chunk, event.index))
        case Logged():
            return _event(number, b"log", _encode({"source": event.source, "data": event.data}))
        case Measured():
            value = msgspec.Raw(event.value)
            data = _encode({"name": event.name, "value": value, "mode": event.mode})
            return _event(number, b"metric", data)
        case Started():
            return _event(number, b"start", _encode({"id": prediction.id, "status": "processing"}))
        case Completed():
            return _event(number, b"completed", _encode(prediction.snapshot()))


def _truncated(skipped: int) -> bytes:
    """Encode that the first events that a reader asked for are not kept any more. It has no number."""
    body = {"detail": "SSE stream replay truncated", "skipped": skipped}
    return b"event: error\ndata: " + _encode(body) + b"\n\n"


def _event(number: int, name: bytes, data: bytes) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, name, data)
