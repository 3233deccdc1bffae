"""Reports the downloads of a traced prediction to the supervisor, which makes a span of each.

The worker chooses the number of the span, because the request for the file already names it as its parent.
"""

import secrets
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from coglet_protocol import slot
from coglet_worker.cancelation import CancelationGate

_SPAN_BITS: Final = 63
_SAMPLED: Final = 1


class DownloadReports:
    """The downloads of one prediction. Any thread may begin one, which is reported when it ends.

    `message.trace` must hold a valid `traceparent`.
    """

    def __init__(
        self, message: slot.Predict, gate: CancelationGate, send: Callable[[slot.Downloaded], None]
    ) -> None:
        self.prediction_id: Final = message.id
        version, trace_id, _, flags = message.trace["traceparent"].split("-")[:4]
        self._traceparent = f"{version}-{trace_id}-{{:016x}}-{flags}"
        self._is_sampled = bool(int(flags, 16) & _SAMPLED)
        self._trace = message.trace
        self._gate = gate
        self._send = send
        # Reentrant, because the garbage collector may end a download in the middle of these methods.
        self._lock = threading.RLock()
        self._running: dict[int, Download] = {}
        self._is_closed = False

    def begin(self, url: str) -> "Download":
        """Return the block of a download."""
        span_id = secrets.randbits(_SPAN_BITS) or 1
        headers = {**self._trace, "traceparent": self._traceparent.format(span_id)}
        download = Download(self, url, span_id, headers)
        if self._is_sampled:
            with self._gate.shielded(), self._lock:
                if not self._is_closed:
                    self._running[span_id] = download
        return download

    def ended(self, download: "Download", error: str | None) -> None:
        """Report a download, unless that was done when the prediction ended."""
        with self._gate.shielded(), self._lock:
            is_running = self._running.pop(download.span_id, None) is not None
        if is_running:
            self._send(download.report(error))

    def close(self, error: str | None) -> None:
        """Report the downloads that are still open at the end of the prediction, with `error` as theirs."""
        with self._gate.shielded(), self._lock:
            self._is_closed = True
            running = list(self._running.values())
            self._running.clear()
        for download in running:
            self._send(download.report(error))


class Download:
    """One download: the header fields of its request, when it began, and how much has arrived."""

    def __init__(self, owner: DownloadReports, url: str, span_id: int, headers: dict[str, str]) -> None:
        self.span_id: Final = span_id
        self.headers: Final = headers
        self._owner = owner
        self._origin = _origin_of(url)
        self._started_ns = time.time_ns()
        self._started = time.perf_counter_ns()
        self._size_bytes = 0

    def received(self, size_bytes: int) -> None:
        """See Observation."""
        self._size_bytes += size_bytes

    def report(self, error: str | None) -> slot.Downloaded:
        """Return the report for an end at this moment."""
        return slot.Downloaded(
            id=self._owner.prediction_id,
            span_id=self.span_id,
            origin=self._origin,
            started_ns=self._started_ns,
            ended_ns=self._started_ns + time.perf_counter_ns() - self._started,
            size_bytes=self._size_bytes,
            error=error,
        )

    def __enter__(self) -> "Download":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner.ended(self, None if error is None else _kind_of(error))


def _kind_of(error: BaseException) -> str | None:
    """Return the status, or the class of the error; None if the reader of the file has closed it early."""
    if isinstance(error, GeneratorExit):
        return None
    status = getattr(error, "code", None)
    if isinstance(status, int):
        return str(status)
    reason = getattr(error, "reason", None)  # of a URLError
    return type(reason if isinstance(reason, BaseException) else error).__name__


def _origin_of(url: str) -> str:
    """Return scheme, host and port; empty if the URL is invalid, and the download about to fail."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".encode("ascii", "replace").decode()
