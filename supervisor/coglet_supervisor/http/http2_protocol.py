"""Hypercorn's HTTP/2, with errors of streams contained, and with flow control up to the application.

An error in a stream affects only that stream, and a body is received no faster than the application reads it.

Imported with the first HTTP/2 connection, because importing Hypercorn takes longer than many predictions.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, PriorityUpdated, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.protocol.events import Body, EndBody, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.typing import ConnectionState

from coglet_supervisor.http.connection import LINGER_S
from coglet_supervisor.http.request import Application, Message, Scope

# A method is a token, a path visible ASCII (RFC 9110, 9.1; RFC 9113, 8.3.1). CONNECT has no path.
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH: Final = re.compile(rb"/[\x21-\x7e]*")


class ConnectionSink(Protocol):
    """The part of Http2Connection that Http2Protocol uses. Addresses are (host, port)."""

    client: tuple[str, int] | None
    server: tuple[str, int] | None
    is_secure: bool

    async def send(self, event: Any) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...

    def start_client_task(self, work: Coroutine[Any, Any, None]) -> None: ...


class Http2Protocol(H2Protocol):
    """The HTTP/2 state of one connection. It is also Hypercorn's task group for this connection.

    It overrides private methods of Hypercorn; `integration/test_lowest_bounds.py` tests the oldest release.
    """

    def __init__(self, app: Application, sink: ConnectionSink) -> None:
        config = Config()
        config.include_server_header = False
        config.keep_alive_max_requests = 2**31
        state = ConnectionState({})
        super().__init__(
            app,  # type: ignore[arg-type]
            config,
            WorkerContext(None),
            self,  # type: ignore[arg-type]
            state,
            sink.is_secure,
            sink.client,
            sink.server,
            sink.send,
        )
        self.connection.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: config.h2_max_concurrent_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: config.h2_max_header_list_size,
            },
        )
        self.is_stopping = False
        self.uploads: dict[int, float] = {}
        """Streams whose request is incomplete -> when a part of it was received last."""
        self._sink = sink
        self._application = app
        self._creating = 0  # the stream that Hypercorn is creating, see `spawn_app`
        self._inboxes: dict[int, _Inbox] = {}
        self._unwanted: dict[int, asyncio.Event] = {}  # already answered; set when the request is complete
        # The whole response has been passed to Hypercorn, which is about to close the stream.
        self._answered: set[int] = set()

    # for the connection

    @property
    def is_idle(self) -> bool:
        """True if no stream is open and nothing waits to be sent."""
        return not (self.streams or self.stream_buffers or self.uploads)

    @property
    def pending_streams(self) -> set[int]:
        """The streams with response data that waits to be sent."""
        return {stream_id for stream_id, each in self.stream_buffers.items() if each.buffer}

    async def reset(self, stream_id: int, code: ErrorCodes) -> None:
        """Reset a stream, whatever its state."""
        self._request_complete(stream_id)
        with contextlib.suppress(ProtocolError):  # it is already closed
            self.connection.reset_stream(stream_id, code)
        await self._close_stream(stream_id)
        await self._window_updated(stream_id)  # the sending task notices that it is closed and drops its data
        await self._flush()

    async def end(self) -> None:
        """Report to all applications that the client has disconnected. Idempotent."""
        self.closed = True
        self.streams.clear()
        for inbox in self._inboxes.values():
            inbox.disconnect()
        for complete in self._unwanted.values():
            complete.set()
        for buffer in self.stream_buffers.values():
            await buffer.close()
        await self.has_data.set()

    # for Hypercorn, as its task group

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Start a task of the connection."""
        self._sink.spawn(function(*arguments))

    async def spawn_app(
        self, app: object, config: object, scope: Scope, send: Callable[[Message | None], Awaitable[None]]
    ) -> Callable[[Message], Awaitable[None]]:
        """Start the application for a request. Its task is not canceled if the connection fails."""
        inbox = _Inbox(self, self._creating)
        self._inboxes[self._creating] = inbox
        self._sink.start_client_task(self._answer(self._creating, scope, send))
        return inbox.put

    async def _answer(
        self, stream_id: int, scope: Scope, send: Callable[[Message | None], Awaitable[None]]
    ) -> None:
        inbox = self._inboxes[stream_id]
        try:
            await self._application(scope, inbox.receive, send)
        except Exception:  # noqa: BLE001 - our bug, logged by the application; ends this request only
            pass
        finally:
            del self._inboxes[stream_id]
            await inbox.close()
            await send(None)

    # instead of Hypercorn

    async def _handle_events(self, events: list[Event]) -> None:
        for event in events:
            await self._handle_event(event)
        await self._flush()

    async def _handle_event(self, event: Event) -> None:
        if isinstance(event, PriorityUpdated):
            return  # deprecated by RFC 9113, and a client could grow the tree of priorities without limit
        if isinstance(event, DataReceived):
            await self._take_data(event)
            return
        if isinstance(event, RequestReceived):
            self.uploads[event.stream_id] = asyncio.get_running_loop().time()
            if self.is_stopping:
                await self.reset(event.stream_id, ErrorCodes.REFUSED_STREAM)
                return
        elif isinstance(event, StreamEnded | StreamReset):
            self._request_complete(event.stream_id)
        await super()._handle_events([event])

    async def _take_data(self, event: DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if event.stream_id in self.uploads:
            self.uploads[event.stream_id] = asyncio.get_running_loop().time()
        if stream is None or not event.data:
            await self.taken(event.flow_controlled_length, event.stream_id)
            return
        await self.taken(event.flow_controlled_length - len(event.data), event.stream_id)
        await stream.handle(Body(stream_id=event.stream_id, data=event.data))

    async def _create_stream(self, request: RequestReceived) -> None:
        if not _is_servable(request.headers):
            head = [(b":status", b"400"), (b"content-length", b"0")]
            self.connection.send_headers(request.stream_id, head, end_stream=True)
            if request.stream_ended is None:
                await self.reset(request.stream_id, ErrorCodes.NO_ERROR)
            return
        self._creating = request.stream_id
        await super()._create_stream(request)

    async def stream_send(self, event: StreamEvent) -> None:
        if isinstance(event, EndBody):
            await self._read_rest(event.stream_id)
            self._answered.add(event.stream_id)
        elif isinstance(event, StreamClosed) and event.stream_id in self._answered:
            self._answered.discard(event.stream_id)
        elif isinstance(event, StreamClosed):
            await self.reset(event.stream_id, ErrorCodes.INTERNAL_ERROR)  # an incomplete response
        await super().stream_send(event)

    async def _send_data(self, stream_id: int) -> None:
        """Send a piece of a response.

        The last piece has END_STREAM: HAProxy delays a separate one by 0.2 s.
        """
        buffer = self.stream_buffers[stream_id]
        try:
            window = self.connection.local_flow_control_window(stream_id)
            data = await buffer.pop(max(0, min(window, self.connection.max_outbound_frame_size)))
            is_last = buffer.complete
            if not data and not is_last:
                self.priority.block(stream_id)
                return
            self.connection.send_data(stream_id, data, end_stream=is_last)
            await self._flush()
        except ProtocolError:  # the stream has been reset
            await buffer.close()
            is_last = True
        if is_last:
            del self.stream_buffers[stream_id]
            self.priority.remove_stream(stream_id)
            if stream_id in self.uploads:
                await self.reset(stream_id, ErrorCodes.NO_ERROR)

    async def _read_rest(self, stream_id: int) -> None:
        """Read the rest of a request before an early response ends: a proxy that sends would drop it."""
        if stream_id not in self.uploads:
            return
        complete = self._unwanted[stream_id] = asyncio.Event()
        if stream_id in self._inboxes:
            await self._inboxes[stream_id].close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await complete.wait()

    def _request_complete(self, stream_id: int) -> None:
        self.uploads.pop(stream_id, None)
        complete = self._unwanted.pop(stream_id, None)
        if complete is not None:
            complete.set()

    async def taken(self, size_bytes: int, stream_id: int) -> None:
        """Return flow-control credit: `size_bytes` of the stream's body are no longer buffered."""
        if size_bytes and not self.closed:
            self.connection.acknowledge_received_data(size_bytes, stream_id)
            await self._flush()


class _Inbox:
    """The queued messages of one request for the application, bounded by HTTP/2 flow control."""

    def __init__(self, protocol: Http2Protocol, stream_id: int) -> None:
        self._protocol = protocol
        self._stream_id = stream_id
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._is_disconnected = False
        self._is_closed = False

    async def put(self, message: Message) -> None:
        """Add a message, which Hypercorn passes on from the client."""
        if message["type"] == "http.disconnect":
            self.disconnect()
        elif self._is_closed:
            await self._protocol.taken(len(message["body"]), self._stream_id)
        else:
            self._messages.append(message)
            self._arrived.set()

    def disconnect(self) -> None:
        """Report that the client has disconnected, or has its response."""
        self._is_disconnected = True
        self._arrived.set()

    async def receive(self) -> Message:
        """ASGI `receive`: return the next piece of the body, then `http.disconnect`."""
        while not self._messages:
            if self._is_disconnected:
                return {"type": "http.disconnect"}
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        await self._protocol.taken(len(message["body"]), self._stream_id)
        return message

    async def close(self) -> None:
        """Drop what was not received: the application has returned."""
        self._is_closed = True
        unread = sum(len(message["body"]) for message in self._messages)
        self._messages.clear()
        await self._protocol.taken(unread, self._stream_id)


def _is_servable(headers: list[tuple[bytes, bytes]]) -> bool:
    """True if the request has a valid method other than CONNECT, and a valid path."""
    method = path = b""
    for name, value in headers:
        if name == b":method":
            method = value
        elif name == b":path":
            path = value
    return method.upper() != b"CONNECT" and bool(_METHOD.fullmatch(method) and _PATH.fullmatch(path))
