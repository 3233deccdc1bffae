"""TLS below a connection, over real sockets: whatever the sizes and the order, the bytes are the same."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testing.certificates import Authority, Certificate
from testing.waiting import DEADLINE_S, wait_until
from tests.supervisor.fakes import Wire

from coglet_supervisor.certificates import CertificateFiles
from coglet_supervisor.http.connection import HEAD_TIMEOUT_S
from coglet_supervisor.http.tls import TlsConnection

MIB = 1024 * 1024


class Server(asyncio.Protocol):
    """The host of one connection, and its successor, which only counts."""

    def __init__(self) -> None:
        self.connections: list[TlsConnection] = []
        self.accepts = True
        self.transport: TlsConnection | None = None
        self.got = bytearray()
        self.pauses: list[str] = []
        self.is_lost = False
        self.pauses_when_it_reads = False

    def opened(self, connection: TlsConnection) -> None:
        self.connections.append(connection)
        if not self.accepts:
            connection.refuse_at_capacity()

    def closed(self, connection: TlsConnection) -> None:
        self.connections.remove(connection)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("TlsConnection", transport)

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.pauses_when_it_reads:
            assert self.transport is not None
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        self.pauses.append("pause")

    def resume_writing(self) -> None:
        self.pauses.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue("server")


@pytest.fixture(scope="module")
def context(certificate: Certificate) -> ssl.SSLContext:
    return CertificateFiles(str(certificate.file), str(certificate.key)).load()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def port(server: Server, context: ssl.SSLContext) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: TlsConnection(server, context, lambda: server), "127.0.0.1", 0
    )
    async with listening:
        port: int = listening.sockets[0].getsockname()[1]
        yield port


@asynccontextmanager
async def connected(
    server: Server, port: int, authority: Authority, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, TlsConnection]]:
    """A client within the block, and the server's transport to it. Both sides are closed after it."""
    context = authority.client_context()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, **options)
    try:
        await wait_until(lambda: server.transport is not None)
        assert server.transport is not None
        yield reader, writer, server.transport
    finally:
        writer.close()
        with contextlib.suppress(OSError):  # the server may close first
            await writer.wait_closed()
        await wait_until(lambda: server.is_lost)


async def test_bytes_of_any_size_pass_in_both_directions(
    server: Server, port: int, authority: Authority
) -> None:
    async with connected(server, port, authority) as (reader, writer, transport):
        sent = b"".join(bytes([n % 251]) * n for n in (1, 100, 16_384, 16_385, 300_000, 3 * MIB))
        writer.write(sent)
        await wait_until(lambda: len(server.got) == len(sent))
        assert server.got == sent
        for size in (1, 0, 70_000, 5 * MIB, 3):
            transport.write(sent[:size])
        expected = b"".join(sent[:size] for size in (1, 0, 70_000, 5 * MIB, 3))
        assert await reader.readexactly(len(expected)) == expected
    assert server.connections == []


async def test_a_slow_reader_pauses_the_writer_and_gets_everything(
    server: Server, port: int, authority: Authority
) -> None:
    async with connected(server, port, authority, limit=1024) as (reader, _, transport):
        for pauses in (["pause"], ["pause", "resume", "pause"]):
            transport.write(b"x" * (20 * MIB))
            assert transport.get_write_buffer_size() > 10 * MIB
            assert server.pauses == pauses
            assert len(await reader.readexactly(20 * MIB)) == 20 * MIB
            await wait_until(lambda: server.pauses[-1] == "resume")
            assert transport.get_write_buffer_size() == 0


async def test_what_was_written_arrives_before_the_end(
    server: Server, port: int, authority: Authority
) -> None:
    async with connected(server, port, authority, limit=1024) as (reader, _, transport):
        transport.write(b"x" * (10 * MIB))
        transport.close()
        transport.write(b"not sent")
        assert await reader.read() == b"x" * (10 * MIB)


async def test_a_paused_reader_gets_everything_later(server: Server, port: int, authority: Authority) -> None:
    async with connected(server, port, authority) as (_, writer, transport):
        transport.pause_reading()
        writer.write(b"a" * 100_000)
        await writer.drain()
        assert server.got == b""
        transport.resume_reading()
        await wait_until(lambda: len(server.got) == 100_000)


async def test_what_has_arrived_when_reading_stops_is_read_later(
    server: Server, port: int, authority: Authority
) -> None:
    async with connected(server, port, authority) as (_, writer, transport):
        server.pauses_when_it_reads = True
        writer.write(b"x" * 100_000)  # several records, of which each is read on its own
        await wait_until(lambda: len(server.got) > 0)
        async with asyncio.timeout(DEADLINE_S):
            while len(server.got) < 100_000:
                transport.resume_reading()
                await asyncio.sleep(0)
        transport.resume_reading()


async def test_at_capacity_it_is_closed_without_a_handshake(
    server: Server, port: int, authority: Authority
) -> None:
    server.accepts = False
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port, ssl=authority.client_context())
    await wait_until(lambda: server.connections == [])


async def test_a_handshake_that_takes_too_long(server: Server, context: ssl.SSLContext) -> None:
    wire = Wire()
    connection = TlsConnection(server, context, lambda: server)
    connection.connection_made(wire)
    connection.data_received(b"\x16\x03\x01")
    now = asyncio.get_running_loop().time()
    connection.check(now + HEAD_TIMEOUT_S - 1)
    assert wire.ended is None
    connection.check(now + HEAD_TIMEOUT_S + 1)
    assert wire.ended == "aborted"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.lists(st.binary(max_size=50), max_size=5))
def test_other_bytes_than_tls_close_the_connection(context: ssl.SSLContext, data: list[bytes]) -> None:
    async def receive() -> Wire:
        server, wire = Server(), Wire()
        connection = TlsConnection(server, context, lambda: server)
        connection.connection_made(wire)
        for piece in (*data, b"GET / HTTP/1.1\r\n\r\n"):
            connection.data_received(piece)
        return wire

    assert asyncio.run(receive()).ended in (None, "closed")
