"""One HTTP/1 request and its response, as ASGI wants them."""

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
# Read ahead of the application at most this much of a body.
MAX_BUFFERED_BODY_BYTES: Final = 256 * 1024


class Line(Protocol):
    """The connection, as an exchange needs it."""

    is_closing: bool

    def write(self, data: bytes) -> None: ...

    async def wait_writable(self) -> None: ...

    def resume_reading(self) -> None: ...

    def finished(self, exchange: "Exchange") -> None: ...

    def abort(self) -> None: ...


class Exchange:
    """Receives the body of one request and sends its response."""

    __slots__ = (
        "_body",
        "_body_size",
        "_chunked",
        "_complete",
        "_disconnected",
        "_end_given",
        "_head",
        "_line",
        "_receiving",
        "expects_continue",
        "keep_alive",
        "responded",
        "scope",
    )

    def __init__(self, line: Line, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.responded = False
        self._line = line
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
        """The whole body has arrived."""
        return self._complete

    @property
    def response_started(self) -> bool:
        """Something of the response is on its way; it cannot become another one."""
        return self._head is not None or self._chunked or self.responded

    # from the connection

    def feed(self, piece: bytes) -> bool:
        """A piece of the body; False when the application should catch up before more is read."""
        self._body.append(piece)
        self._body_size += len(piece)
        self._wake()
        return self._body_size <= MAX_BUFFERED_BODY_BYTES

    def complete(self) -> None:
        """The body ends here."""
        self._complete = True
        self._wake()

    def disconnect(self) -> None:
        """The client has left."""
        self._disconnected = True
        self._wake()

    def fail(self) -> None:
        """The application has raised: 500, or the end of the connection when the answer has begun."""
        if self.responded:
            return
        if self.response_started:
            self._line.abort()
        else:
            self.keep_alive = False
            head = encode_head(500, [(b"content-length", b"0")], chunked=False, keep_alive=False)
            self._line.write(head)
            self._finish()

    # for the application

    async def receive(self) -> Message:
        """ASGI: the next piece of the body, and in the end `http.disconnect`."""
        while not self._end_given:
            if self._body or self._complete:
                return self._take_body()
            if self._disconnected:
                break
            if self.expects_continue:
                self.expects_continue = False
                self._line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._line.resume_reading()
            await self._wait()
        while not self._disconnected:
            await self._wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI: the head, or a piece of the body. What a client that has left would get is dropped."""
        if self._line.is_closing or self.responded:
            return
        if message["type"] == "http.response.start":
            self._head = (message["status"], message["headers"])
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        for data in self._encode(body, more=more):
            self._line.write(data)
        if not more:
            self._finish()
        else:
            await self._line.wait_writable()

    def _finish(self) -> None:
        self.responded = True
        self.disconnect()  # for the application the client is gone: a `receive` that waits must end
        self._line.finished(self)

    def _take_body(self) -> Message:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._body_size = 0
        self._end_given = self._complete
        return {"type": "http.request", "body": body, "more_body": not self._complete}

    def _encode(self, body: bytes, *, more: bool) -> list[bytes]:
        """What goes out: in one piece, for one system call; but a large body is not copied for that."""
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
            self.keep_alive = False  # HTTP/1.0: the end of the connection is the end of the body
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
    """Status line and header fields."""
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
    """The date header, made once a second."""

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
