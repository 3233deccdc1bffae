"""Each fake keeps the contract of the part in whose place it stands: one test for both."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import h11
import pytest
from testing.waiting import settle, wait_until
from tests.supervisor.connecting import Client, answer, begun
from tests.supervisor.fakes import Caller, Host, Wire

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.http.connection import Connection
from coglet_supervisor.http.connection import Host as ServesConnections
from coglet_supervisor.http.request import Message, Receive, Scope, Send, respond
from coglet_supervisor.http.server import HttpServer

# a socket's transport

OpenWire = Callable[[], AbstractAsyncContextManager[tuple[asyncio.Transport, Callable[[], bytes]]]]
"""Yields a transport, and what reads all that its peer gets until the end."""


@asynccontextmanager
async def real_wire() -> AsyncIterator[tuple[asyncio.Transport, Callable[[], bytes]]]:
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)

    def got() -> bytes:
        data = bytearray()
        while piece := theirs.recv(65536):
            data += piece
        return bytes(data)

    with theirs:
        yield transport, got
        transport.abort()


@asynccontextmanager
async def fake_wire() -> AsyncIterator[tuple[asyncio.Transport, Callable[[], bytes]]]:
    wire = Wire()
    yield wire, lambda: wire.written


@pytest.mark.parametrize("open_wire", [real_wire, fake_wire])
@pytest.mark.parametrize("end", ["close", "abort", "write_eof"])
async def test_a_wire_gives_what_was_written_before_its_end(open_wire: OpenWire, end: str) -> None:
    async with open_wire() as (transport, got):
        transport.write(b"one ")
        transport.write(b"two")
        assert (transport.get_write_buffer_size(), transport.is_closing()) == (0, False)
        getattr(transport, end)()
        assert transport.is_closing() == (end != "write_eof")
        if end == "write_eof":
            with pytest.raises(RuntimeError):
                transport.write(b"late")
        else:
            transport.write(b"late")
        assert await asyncio.to_thread(got) == b"one two"


# the server of a connection

OpenHost = Callable[[list[str]], AbstractAsyncContextManager[ServesConnections]]
"""Yields a server that answers each request at once and notes its path in the list."""


@asynccontextmanager
async def real_host(asked: list[str]) -> AsyncIterator[ServesConnections]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await respond(send, 200, b"ok")

    async with ClientTasks() as clients:
        yield HttpServer(app, clients, 10)


@asynccontextmanager
async def fake_host(asked: list[str]) -> AsyncIterator[ServesConnections]:
    host = Host()

    async def answer_all() -> None:
        while True:
            await asyncio.sleep(0)
            while host.asked:
                exchange = host.asked.pop(0)
                asked.append(exchange.scope["path"])
                await answer(exchange)

    async with asyncio.TaskGroup() as tasks:
        answering = tasks.create_task(answer_all())
        yield host
        answering.cancel()


@pytest.mark.parametrize("open_host", [real_host, fake_host])
async def test_a_host_answers_each_request_of_its_connections(open_host: OpenHost) -> None:
    asked: list[str] = []
    async with open_host(asked) as host:
        assert not host.is_stopping
        assert host.send_timeout_s > 0
        connection, wire = Connection(host), Wire()
        connection.connection_made(wire)
        for path in (b"/a", b"/b"):
            connection.data_received(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        await wait_until(lambda: wire.written.count(b"200 OK") == 2)
        connection.connection_lost(None)
        host.closed(connection)  # safe to repeat
    assert asked == ["/a", "/b"]


# a request and its answer


class RealCaller:
    """An `Exchange` on a connection, and what its client reads."""

    def __init__(self, method: str, path: str, *pieces: bytes) -> None:
        self._client = Client()
        self._method = method
        length = sum(map(len, pieces))
        self._client.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        (exchange,) = self._client.host.asked
        self.scope, self.receive, self.send = exchange.scope, exchange.receive, exchange.send
        for piece in pieces:
            self._client.send(piece)

    def leave(self) -> None:
        self._client.connection.connection_lost(None)

    @property
    def answered(self) -> tuple[int, bytes | None, bytes]:
        """Status, media type and body."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=self._method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(self._client.wire.written)
        head = parser.next_event()
        assert isinstance(head, h11.Response)
        body = b""
        while isinstance(event := parser.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        return head.status_code, dict(head.headers).get(b"content-type"), body


class FakeCaller(Caller):
    """Its answer in the form of the real one's."""

    @property
    def answered(self) -> tuple[int, bytes | None, bytes]:
        assert self.is_answered
        return self.status or 0, self.headers.get(b"content-type"), self.body


AnyCaller = type[RealCaller] | type[FakeCaller]
CALLERS = pytest.mark.parametrize("caller_type", [RealCaller, FakeCaller])


async def read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


@CALLERS
@pytest.mark.parametrize("pieces", [[], [b"one"], [b"one", b"two"]], ids=len)
async def test_a_caller_gives_its_body_and_takes_the_answer(
    caller_type: AnyCaller, pieces: list[bytes]
) -> None:
    caller = caller_type("POST", "/a?b=c", *pieces)
    assert (caller.scope["type"], caller.scope["method"]) == ("http", "POST")
    assert (caller.scope["raw_path"], caller.scope["query_string"]) == (b"/a", b"b=c")
    assert await read_body(caller.receive) == b"".join(pieces)
    await caller.send(
        {"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"text/plain")]}
    )
    await caller.send({"type": "http.response.body", "body": b"o", "more_body": True})
    await caller.send({"type": "http.response.body", "body": b"k"})
    assert caller.answered == (201, b"text/plain", b"ok")
    assert (await caller.receive())["type"] == "http.disconnect"


@CALLERS
async def test_a_caller_that_leaves_is_noticed_and_gets_nothing_more(caller_type: AnyCaller) -> None:
    caller = caller_type("GET", "/")
    await read_body(caller.receive)
    waiting: asyncio.Task[Message] = await begun(caller.receive())
    await settle()
    assert not waiting.done()
    caller.leave()
    assert (await waiting)["type"] == "http.disconnect"
    await respond(caller.send, 200, b"late")  # no error
