"""HTTP helpers of the plain ASGI routes: a request with its body, complete responses, and HTTP errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON: Final = (b"content-type", b"application/json")
TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")

encode_json: Final = msgspec.json.Encoder().encode


class HttpError(Exception):
    """Ends the handling of a request with this response."""

    def __init__(self, status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.headers = headers

    @classmethod
    def text(cls, status: int, text: str) -> "HttpError":
        """Return an error with a plain-text body."""
        return cls(status, text.encode(), TEXT)

    @classmethod
    def json(cls, status: int, body: object) -> "HttpError":
        """Return an error with a JSON body."""
        return cls(status, encode_json(body), JSON)


class Disconnected(Exception):
    """The client has disconnected; no response is needed."""


class Request:
    """One HTTP request, of an ASGI scope."""

    __slots__ = ("_client", "_headers", "_receive", "method", "path", "query", "scheme")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.scheme: str = scope.get("scheme", "http")
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._client: tuple[str, int] | None = scope.get("client")
        self._receive = receive

    @property
    def client_address(self) -> str:
        """The IP address from which the request comes; empty if it is not known."""
        return "" if self._client is None else self._client[0]

    def header(self, name: bytes) -> str | None:
        """Return the value of a header field, or None.

        Fields of the same name are joined by commas (RFC 9110, 5.3).
        """
        values = [value for key, value in self._headers if key == name]
        return b", ".join(values).decode("latin-1") if values else None

    async def body(self, limit: int) -> bytes | bytearray:
        """Return the whole body.

        Raises HttpError 413 if it is larger than `limit` bytes, and Disconnected.
        """
        announced = self.header(b"content-length")
        if announced is not None and announced.isdecimal() and int(announced) > limit:
            raise too_large()
        first: bytes = b""
        rest: bytearray | None = None  # grown in place: joining a list would need twice the memory
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece: bytes = message.get("body", b"")
            if rest is None and not first:
                first = piece
            elif piece:
                rest = rest if rest is not None else bytearray(first)
                rest += piece
            if len(first if rest is None else rest) > limit:
                raise too_large()
            if not message.get("more_body", False):
                return first if rest is None else rest

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; the client is not read faster. Raises Disconnected."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return

    async def wait_disconnect(self) -> None:
        """Wait until the client disconnects. The body must have been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def too_large() -> HttpError:
    """Return the error for a body that is over the limit: 413."""
    return HttpError.text(413, "Failed to buffer the request body: length limit exceeded")


def decode_segment(segment: bytes, name: str) -> str:
    """Return a percent-decoded path segment. Raises HttpError 400 if it is not UTF-8."""
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise HttpError.text(400, f"Invalid URL: Invalid UTF-8 in `{name}`") from None


async def respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a complete response."""
    await respond_in_pieces(send, status, [body], *headers)


async def respond_in_pieces(
    send: Send, status: int, pieces: Sequence[bytes | memoryview], *headers: tuple[bytes, bytes]
) -> None:
    """Send a complete response; its body is the concatenation of `pieces`."""
    if status != 204:  # RFC 9110, 8.6
        headers = (*headers, (b"content-length", b"%d" % sum(map(len, pieces))))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1]})


def _nothing() -> None:
    return


class DisconnectWatch:
    """Calls `on_disconnect` when the client disconnects before the response.

    Most predictions end so soon that a task for each would be wasteful: the watch begins after BEGIN_AFTER_S.
    """

    BEGIN_AFTER_S: Final = 0.005

    def __init__(
        self,
        request: Request,
        start_task: Callable[[Any], "asyncio.Task[None]"],
        on_disconnect: Callable[[], None],
    ) -> None:
        self._request = request
        self._start_task = start_task
        self._on_disconnect = on_disconnect
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(self.BEGIN_AFTER_S, self._begin)

    def end(self) -> None:
        """Stop watching: the response is about to be sent."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        # A canceled task keeps its frames, and so this object, for a while; drop the reference to the
        # prediction.
        self._on_disconnect = _nothing

    def _begin(self) -> None:
        self._task = self._start_task(self._watch())

    async def _watch(self) -> None:
        await self._request.wait_disconnect()
        self._on_disconnect()
