"""Server-sent events of a response, read as they arrive or as a whole."""

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final, Protocol

from testing.client import JSON, Address

WANTS_EVENTS: Final = {**JSON, "Accept": "text/event-stream"}
_READ_BYTES: Final = 256 * 1024
# Less than the 15 s before a keep-alive comment, which must not be what opens the stream.
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class ServerEvent:
    """One event. `number` is its id, which the peer does not send."""

    name: str
    data: Any
    number: int | None = None


class EventStream:
    """A response that is being read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self._events = self._parsed()

    @property
    def headers(self) -> Message:
        return self._response.headers

    def __iter__(self) -> Iterator[ServerEvent]:
        """Yield the events that were not read yet, each as soon as it arrives."""
        return self._events

    def next_named(self, name: str) -> ServerEvent:
        """Read up to the next event of that name, and return it."""
        return next(event for event in self._events if event.name == name)

    def rest(self) -> list[ServerEvent]:
        """Read to the end of the response."""
        return list(self._events)

    def _parsed(self) -> Iterator[ServerEvent]:
        unread = b""
        while data := self._response.read1(_READ_BYTES):
            *blocks, unread = (unread + data).split(b"\n\n")
            yield from _events(blocks)
        assert not unread, f"the stream ends inside an event: {unread[-300:]!r}"


def parse_events(text: bytes) -> list[ServerEvent]:
    """Return the events of a response, or of its first part. Raises ValueError for other text."""
    *blocks, rest = text.split(b"\n\n")
    if rest:
        raise ValueError(f"the stream ends inside an event: {rest[-300:]!r}")
    return list(_events(blocks))


def _events(blocks: Iterable[bytes]) -> Iterator[ServerEvent]:
    for block in blocks:
        if not block.startswith(b":"):  # a comment, which keeps the connection alive
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
            number = int(fields.pop(b"id")) if b"id" in fields else None
            if fields.keys() != {b"event", b"data"}:
                raise ValueError(f"not an event: {block[:300]!r}")
            yield ServerEvent(fields[b"event"].decode(), json.loads(fields[b"data"]), number)


class Reachable(Protocol):
    """A server, or a proxy in front of it."""

    @property
    def address(self) -> Address: ...


@contextmanager
def streaming(
    server: Reachable,
    input: Mapping[str, Any] | None = None,
    *,
    id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[EventStream]:
    """Start a prediction, or with an `id` attach to the running one, and read its events.

    Past the block the client has left.
    """
    method, path = ("POST", "/predictions") if id is None else ("PUT", f"/predictions/{id}")
    with server.address.connect() as connection:
        body = json.dumps({"input": input or {}})
        connection.timeout = _TIMEOUT_S
        connection.request(method, path, body, {**WANTS_EVENTS, **(headers or {})})
        response = connection.getresponse()
        assert response.status == 200, (response.status, response.read())
        with response:  # http.client closes a connection only with its response
            yield EventStream(response)
