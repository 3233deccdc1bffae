"""The events of a prediction as the hosted API encodes them.

They are kept as the container API encodes them, once, and are encoded anew for each reader: what has no
reader costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from coglet_supervisor.predictions.stream import KEEP_ALIVE, Subscription, TooManySubscribers

_ID: Final = re.compile(r"\d{1,15}:(\d{1,18})")
# What ends a line of a stream. Source: HTML standard, "Server-sent events".
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_TOO_MANY: Final = '{"detail":"Too many clients read this stream"}'
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class EventSource(Protocol):
    """A PredictionRun, or the PredictionStream of one that has ended."""

    def subscribe(self, after: int | None) -> Subscription: ...

    def unsubscribe(self, subscriber: Subscription) -> None: ...


class _Event(NamedTuple):
    counter: int
    name: str
    data: str


def counter_of(last_event_id: str | None) -> int | None:
    """Return the counter in `<milliseconds>:<counter>`, or None."""
    match = _ID.fullmatch(last_event_id or "")
    return int(match[1]) if match else None


def event_before(counter: int) -> int:
    """Return the number of the last kept event of which a reader with this counter has seen everything.

    Event n has the counter 2n + 1, and if it is two events here, the first one has 2n.
    """
    return (counter + 1) // 2 - 1


async def encoded_events(
    source: EventSource, created_at: float, seen: int | None, rewritten: Callable[[bytes], bytes] = bytes
) -> AsyncIterator[bytes]:
    """Yield the events after the counter `seen`, until the end. `rewritten` changes the JSON texts in them.

    The milliseconds of all ids are those of the creation: the counter alone is their order.
    """
    milliseconds = int(created_at * 1000)
    # Not before: a reader that leaves before the first event would stay subscribed.
    try:
        subscriber = source.subscribe(None if seen is None else event_before(seen))
    except TooManySubscribers:
        yield _encoded(_Event(0, "error", _TOO_MANY), milliseconds)
        return
    try:
        while (chunk := await subscriber.next_chunk()) is not None:
            if chunk == KEEP_ALIVE:
                yield chunk
                continue
            events = _translate(rewritten(chunk), subscriber.cursor)
            yield b"".join(
                _encoded(event, milliseconds) for event in events if seen is None or event.counter > seen
            )
    finally:
        source.unsubscribe(subscriber)


def _translate(chunk: bytes, end: int) -> Iterator[_Event]:
    """Yield the events in a chunk, after which the event `end` follows.

    Only its first block may be without a number: a notice that events are missing.
    """
    blocks = [
        dict(line.split(": ", 1) for line in block.split("\n"))
        for block in chunk.decode().removesuffix("\n\n").split("\n\n")
    ]
    if "id" not in blocks[0]:
        notice = _decode(blocks.pop(0)["data"])
        following = int(blocks[0]["id"]) if blocks else end
        reason = notice.get("detail") or notice.get("error")
        detail = {"detail": f"{reason}: {notice['skipped']} events are missing"}
        yield _Event(2 * following - 1, "error", _encode(detail).decode())
    for block in blocks:
        yield from _events_of(block["event"], _decode(block["data"]), int(block["id"]))


def _events_of(name: str, data: Any, number: int) -> Iterator[_Event]:
    counter = 2 * number + 1
    match name:
        case "output":
            chunk = data["chunk"]
            text = chunk if isinstance(chunk, str) else _encode(chunk).decode()
            yield _Event(counter, "output", text)
        case "log":
            yield _Event(counter, "logs", data["data"])
        case "completed" if data["status"] == "failed":
            yield _Event(counter - 1, "error", _encode({"detail": data.get("error", "")}).decode())
            yield _Event(counter, "done", '{"reason":"error"}')
        case "completed" if data["status"] == "canceled":
            yield _Event(counter, "done", '{"reason":"canceled"}')
        case "completed":
            yield _Event(counter, "done", "{}")


def _encoded(event: _Event, milliseconds: int) -> bytes:
    data = "".join(f"data: {line}\n" for line in _LINE_END.split(event.data))
    return f"event: {event.name}\nid: {milliseconds}:{event.counter}\n{data}\n".encode()
