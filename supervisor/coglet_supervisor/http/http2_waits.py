"""How long an HTTP/2 connection has waited for its client, measured by periodic checks."""

from collections.abc import Collection


class Stopwatch:
    """Measures for how long a condition has held."""

    def __init__(self) -> None:
        self._since: float | None = None

    def seconds(self, now: float, *, holds: bool) -> float:
        """Return the seconds since the first of the uninterrupted checks at which the condition held."""
        if not holds:
            self._since = None
            return 0.0
        if self._since is None:
            self._since = now
        return now - self._since


class Waits:
    """For how long the client of one connection has been waited for, by kind of wait. `now` is in seconds."""

    def __init__(self) -> None:
        self._head = Stopwatch()
        self._request = Stopwatch()
        self._reading = Stopwatch()
        self._taken_bytes = 0
        self._stuck_since: dict[int, float] = {}

    def for_head(self, now: float, *, missing: bool) -> float:
        """Return the seconds without a first request, or with an incomplete head of a request."""
        return self._head.seconds(now, holds=missing)

    def for_request(self, now: float, *, is_idle: bool) -> float:
        """Return the seconds without an open stream."""
        return self._request.seconds(now, holds=is_idle)

    def for_reading(self, now: float, written_bytes: int, waiting_bytes: int) -> float:
        """Return the seconds in which the client has read nothing although `waiting_bytes` are unsent."""
        taken_bytes = written_bytes - waiting_bytes
        stands_still = waiting_bytes > 0 and taken_bytes == self._taken_bytes
        self._taken_bytes = taken_bytes
        return self._reading.seconds(now, holds=stands_still)

    def sent(self, stream_id: int) -> None:
        """Note that a part of the stream's response was sent."""
        self._stuck_since.pop(stream_id, None)

    def stuck(self, now: float, pending: Collection[int], limit_s: float) -> list[int]:
        """Return those of the `pending` streams that had no flow-control window for more than `limit_s`."""
        self._stuck_since = {stream_id: self._stuck_since.get(stream_id, now) for stream_id in pending}
        return [stream_id for stream_id, since in self._stuck_since.items() if now - since > limit_s]
