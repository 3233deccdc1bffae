"""How long an HTTP/2 connection has waited for its client, seen by somebody who looks now and then."""

from collections.abc import Collection


class Stopwatch:
    """For how long a condition has held."""

    def __init__(self) -> None:
        self._since: float | None = None

    def seconds(self, now: float, *, holds: bool) -> float:
        """Since it was first seen to hold, without a look at which it did not."""
        if not holds:
            self._since = None
            return 0.0
        if self._since is None:
            self._since = now
        return now - self._since


class Waits:
    """What the client of one connection is waited for."""

    def __init__(self) -> None:
        self._head = Stopwatch()
        self._request = Stopwatch()
        self._reading = Stopwatch()
        self._taken_bytes = 0
        self._stuck_since: dict[int, float] = {}

    def for_head(self, now: float, *, missing: bool) -> float:
        """Seconds without the first request, or in the midst of a request's head."""
        return self._head.seconds(now, holds=missing)

    def for_request(self, now: float, *, is_idle: bool) -> float:
        """Seconds without any stream."""
        return self._request.seconds(now, holds=is_idle)

    def for_reading(self, now: float, written_bytes: int, waiting_bytes: int) -> float:
        """Seconds in which the client has read nothing, although `waiting_bytes` of what was written wait."""
        taken_bytes = written_bytes - waiting_bytes
        stands_still = waiting_bytes > 0 and taken_bytes == self._taken_bytes
        self._taken_bytes = taken_bytes
        return self._reading.seconds(now, holds=stands_still)

    def sent(self, stream_id: int) -> None:
        """Something of the stream's answer has gone out."""
        self._stuck_since.pop(stream_id, None)

    def stuck(self, now: float, pending: Collection[int], limit_s: float) -> list[int]:
        """Those of the `pending` streams of which nothing could be sent for `limit_s`: they lack a window."""
        self._stuck_since = {stream_id: self._stuck_since.get(stream_id, now) for stream_id in pending}
        return [stream_id for stream_id, since in self._stuck_since.items() if now - since > limit_s]
