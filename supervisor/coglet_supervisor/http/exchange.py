"""One HTTP/1 request and its response, with the ASGI interface."""

import asyncio
import http
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from coglet_supervisor.http.request import Message, Scope

Headers = Sequence[tuple[bytes, bytes]]

_REASONS: Final = {status.value: status.phrase.encode() for status in http.HTTPStatus}
_NO_BODY: Final = frozenset({204, 304})
LARGE_BODY_BYTES: Final = 64 * 1024
# At most this much of a body is read before the application asks for it.
MAX_BUFFERED_BODY_BYTES: Final = 256 * 1024


class ResponseSink(Protocol):
    """The part of Connection that Exchange uses."""

    is_closing: bool

    @property
    def is_last(self) -> bool: ...

    def write(self, data: bytes) -> None: ...

    async def wait_writable(self) -> None: ...

    def resume_reading(self) -> None: ...

    def finished(self, exchange: "Exchange") -> None: ...

    def abort(self) -> None: ...


class Exchange:
    """Receives the body of one request, and sends its response to a ResponseSink."""

    __slots__ = (
        "_body",
        "_body_size",
        "_chunked",
        "_complete",
        "_disconnected",
        "_end_given",
        "_head",
        "_receiving",
        "_sink",
        "expects_continue",
        "keep_alive",
        "responded",
        "scope",
        "status",
    )

    def __init__(self, sink: ResponseSink, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.responded = False
        self.status: int | None = None  # of the response, once it has started
        self._sink = sink
        self._body: list[bytes] = []
        self._body_size = 0
        self._complete = False
        self._disconnected = False
        self._end_given = False
        self._receiving: asyncio.Future[None] | None = None
        self._head: tuple[int, Headers] | None = None
        self._chunked = False

    @property
    def request_complete(self) -> bool:
        """True if the whole body has arrived."""
        return self._complete

    @property
    def response_started(self) -> bool:
        """True if the head of the response is decided; a different response can no longer be sent."""
        return self.status is not None

    # from the connection

    def feed(self, piece: bytes) -> bool:
        """Add a piece of the body. False if reading should pause until the application has caught up."""
        self._body.append(piece)
        self._body_size += len(piece)
        self._wake()
        return self._body_size <= MAX_BUFFERED_BODY_BYTES

    def complete(self) -> None:
        """Mark the body as complete."""
        self._complete = True
        self._wake()

    def disconnect(self) -> None:
        """Report to the application that the client has disconnected."""
        self._disconnected = True
        self._wake()

    def fail(self) -> None:
        """Handle an exception of the application: send 500, or abort if the response has started."""
        if self.responded:
            return
        if self.response_started:
            self._sink.abort()
        else:
            self.keep_alive = False
            self.status = 500
            head = encode_head(500, [(b"content-length", b"0")], chunked=False, keep_alive=False)
            self._sink.write(head)
            self._finish()

    # for the application

    async def receive(self) -> Message:
        """ASGI `receive`: return the next piece of the body, then `http.disconnect`."""
        while not self._end_given:
            if self._body or self._complete:
                return self._take_body()
            if self._disconnected:
                break
            if self.expects_continue:
                self.expects_continue = False
                self._sink.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._sink.resume_reading()
            await self._wait()
        while not self._disconnected:
            await self._wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI `send`: send the head or a piece of the body. Does nothing if the client has disconnected.

        Raises RuntimeError for a second response, which would be a part of the body of the first.
        """
        if self._sink.is_closing or self.responded:
            return
        if message["type"] == "http.response.start":
            if self.response_started:
                raise RuntimeError("the application started a second response")
            self.status = message["status"]
            self._head = (self.status, message["headers"])
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        for data in self._encode(body, more=more):
            self._sink.write(data)
        if not more:
            self._finish()
        else:
            await self._sink.wait_writable()

    def _finish(self) -> None:
        self.responded = True
        self.disconnect()  # ends a pending `receive` of the application
        self._sink.finished(self)

    def _take_body(self) -> Message:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._body_size = 0
        self._end_given = self._complete
        return {"type": "http.request", "body": body, "more_body": not self._complete}

    def _encode(self, body: bytes, *, more: bool) -> list[bytes]:
        """Return the bytes to write: joined for one system call, unless the body is too large to copy."""
        is_head_request = self.scope["method"] == "HEAD"
        prefix = b""
        if self._head is not None:
            prefix = self._encode_head(*self._head)
            self._head = None
        if is_head_request:
            return [prefix] if prefix else []
        if self._chunked:
            piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return [prefix + piece + (b"" if more else b"0\r\n\r\n")]
        if len(body) > LARGE_BODY_BYTES:
            return [prefix, body] if prefix else [body]
        return [prefix + body] if prefix or body else []

    def _encode_head(self, status: int, headers: Headers) -> bytes:
        has_length = closes = False
        for name, value in headers:
            if name == b"content-length":
                has_length = True
            elif name == b"connection":
                closes = value == b"close"
        is_1_1 = self.scope["http_version"] == "1.1"
        self._chunked = not has_length and is_1_1 and status not in _NO_BODY
        if closes or not (has_length or self._chunked):
            self.keep_alive = False  # HTTP/1.0: the end of the connection marks the end of the body
        elif not self._complete or self._sink.is_last:
            self.keep_alive = False  # the client must know, or its next request meets a closed connection
        elif self.keep_alive and not is_1_1:
            headers = [*headers, (b"connection", b"keep-alive")]  # RFC 9112, C.2.2: else the client may close
        return encode_head(status, headers, chunked=self._chunked, keep_alive=self.keep_alive)

    async def _wait(self) -> None:
        self._receiving = asyncio.get_running_loop().create_future()
        try:
            await self._receiving
        finally:
            self._receiving = None

    def _wake(self) -> None:
        if self._receiving is not None and not self._receiving.done():
            self._receiving.set_result(None)


def encode_head(status: int, headers: Headers, *, chunked: bool, keep_alive: bool) -> bytes:
    """Return the status line, the header fields and the empty line after them."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, _REASONS.get(status, b""))]
    lines += [b"%b: %b\r\n" % header for header in headers]
    lines.append(_date_line())
    if chunked:
        lines.append(b"transfer-encoding: chunked\r\n")
    if not keep_alive and not any(name == b"connection" for name, _ in headers):
        lines.append(b"connection: close\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


class _DateLine:
    """The Date header field, formatted at most once per second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = 0
        self._line = b""

    def __call__(self) -> bytes:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            moment = time.gmtime(second)
            day, month = _DAYS[moment.tm_wday], _MONTHS[moment.tm_mon - 1]
            clock_time = f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"
            text = f"date: {day}, {moment.tm_mday:02d} {month} {moment.tm_year} {clock_time} GMT\r\n"
            self._line = text.encode()
        return self._line


# Written out, because strftime follows the locale and HTTP does not.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_date_line: Final = _DateLine(time.time)
