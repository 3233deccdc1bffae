"""docs/hardening.md A1: whatever an HTTP/2 client does affects its own connection at most."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import h2.errors
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration.conftest import Serve
from testing.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    encoded,
    fields,
    frame,
    goaway_code,
    http2,
    read_all,
)
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md A1")

FLOOD: Final = 5000
OPENING: Final = PREFACE + frame(SETTINGS, 0, 0)
GET: Final = encoded(fields())
STREAMS: Final = range(1, 2 * FLOOD, 2)
ONE_OPEN: Final = frame(HEADERS, END_HEADERS, 1, encoded(fields(b"POST", b"/predictions")))


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script", variables={"COG_MAX_BODY_BYTES": "100000"}) as server:
        yield server


def lives(server: Server) -> bool:
    """The same process answers over both protocols."""
    with http2(server.address) as client:
        answers = client.request(fields()), server.request("GET", "/livez").status
    return answers == ((200, b"ok"), 200) and server.process.poll() is None


def hpack_bomb() -> bytes:
    """One header of 4 KB into the table, and then references to it, a byte each."""
    large = b"\x40\x01x\x7f\xa1\x1e" + b"a" * 4000  # `x` with a value of 4000 bytes, to be entry 62
    return frame(HEADERS, END_STREAM | END_HEADERS, 1, GET + large + b"\xbe" * 12_000)


FLOODS: Final = {
    "rapid reset": b"".join(
        frame(HEADERS, END_STREAM | END_HEADERS, each, GET) + frame(RST_STREAM, 0, each, b"\0\0\0\x08")
        for each in STREAMS
    ),
    "PRIORITY": b"".join(frame(PRIORITY, 0, each, b"\0\0\0\0\x10") for each in STREAMS),
    "PRIORITY that names others": b"".join(
        frame(PRIORITY, 0, each, (each + 2).to_bytes(4, "big") + b"\x10") for each in STREAMS
    ),
    "SETTINGS": frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff") * FLOOD,
    "large SETTINGS": frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff" * 2700) * 30,
    "PING": frame(PING, 0, 0, bytes(8)) * FLOOD,
    "answers to no PING": frame(PING, 1, 0, bytes(8)) * FLOOD,
    "WINDOW_UPDATE": frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * FLOOD,
    "empty DATA": ONE_OPEN + frame(DATA, 0, 1) * FLOOD,
    "DATA of one byte": ONE_OPEN + frame(DATA, 0, 1, b"x") * FLOOD,
    "CONTINUATION": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1, b"\x40\x01a\x01b") * FLOOD,
    "large CONTINUATION": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 100,
    "empty CONTINUATION": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1) * FLOOD,
    "unknown frames": frame(0xFA, 0, 0) * FLOOD,
    "HPACK bomb": hpack_bomb(),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_ends_its_connection_and_nothing_else(server: Server, flood: str) -> None:
    said = read_all(server.address, OPENING + FLOODS[flood])
    assert goaway_code(said) == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
    assert lives(server)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(frame(HEADERS, END_STREAM | END_HEADERS, 1), id="empty HEADERS"),
        pytest.param(frame(PRIORITY, 0, 1, b"\0\0\0\x01\x10"), id="PRIORITY on itself"),
        pytest.param(frame(WINDOW_UPDATE, 0, 0, bytes(4)), id="WINDOW_UPDATE of nothing"),
        pytest.param(frame(DATA, 0, 99, b"x"), id="DATA on a stream that was never opened"),
        pytest.param(b"\xff" * 9, id="a frame of 16 MB"),
    ],
)
def test_what_is_not_http_2_ends_its_connection_and_nothing_else(server: Server, frames: bytes) -> None:
    assert goaway_code(read_all(server.address, OPENING + frames)) is not None
    assert lives(server)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param([(b":method", b"CONNECT"), (b":authority", b"localhost:1")], id="CONNECT"),
        pytest.param(fields(b"CONNECT", b"/", (b":protocol", b"websocket")), id="extended CONNECT"),
        pytest.param(fields(b"GET", b"/\xff\xfe"), id="path of other bytes"),
        pytest.param(fields(b"GET", "/é".encode()), id="path in UTF-8"),
        pytest.param(fields(b"G\xc3\x89T"), id="method of other bytes"),
        pytest.param(fields(b"GE T"), id="method with a space"),
        pytest.param(fields(b"OPTIONS", b"*"), id="no path"),
        pytest.param(fields(b"GET", b"http://localhost/livez"), id="a URL for a path"),
    ],
)
def test_a_head_that_cannot_be_served_is_refused_on_its_stream(
    server: Server, head: list[tuple[bytes, bytes]]
) -> None:
    with http2(server.address) as client:
        assert client.request(head) == (400, b"")
        assert client.request(fields()) == (200, b"ok")
    assert lives(server)


def test_ten_thousand_requests_of_an_honest_client_are_served(server: Server) -> None:
    with http2(server.address) as client:
        for _ in range(100):
            streams = [client.begin(fields()) for _ in range(100)]
            assert [client.wait_over(each).status for each in streams] == [200] * 100


def test_a_large_answer_and_a_large_body_are_not_a_flood(server: Server) -> None:
    """Its client acknowledges each of many small frames."""
    body = b'{"input":{"code":"def predict():\\n    return \'x\' * 20_000_000"}}'
    post = fields(b"POST", b"/predictions", (b"content-type", b"application/json"))
    with http2(server.address) as client:
        status, answer = client.request(post, body)
        assert (status, answer.count(b"x") >= 20_000_000) == (200, True)
        assert client.request(fields()) == (200, b"ok")


def test_a_body_that_is_too_large_costs_its_stream(server: Server) -> None:
    with http2(server.address) as client:
        post = fields(b"POST", b"/predictions", (b"content-type", b"application/json"))
        stream_id = client.begin(post, b"[", more=True)
        client.send_body(stream_id, 10_000_000)
        stream = client.wait_over(stream_id)
        assert (stream.status, stream.has_ended) == (413, True)
        assert client.request(fields()) == (200, b"ok")


def test_the_preface_may_come_in_pieces(server: Server) -> None:
    for cut in (1, 3, 16, 23):
        with server.address.socket() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(PREFACE[:cut])
            assert server.request("GET", "/livez").status == 200  # meanwhile the server has read the piece
            sock.sendall(PREFACE[cut:] + frame(SETTINGS, 0, 0))
            assert sock.recv(65536)[3] == SETTINGS


def test_connections_of_http_2_count(serve: Serve) -> None:
    with (
        serve("script", variables={"COG_MAX_CONNECTIONS": "8"}, until=None) as server,
        contextlib.ExitStack() as stack,
    ):
        wait_for(lambda: is_open(server), "open port")
        clients = [stack.enter_context(http2(server.address)) for _ in range(8)]
        assert [client.request(fields())[0] for client in clients] == [200] * 8
        assert server.request("GET", "/livez").status == 503
        clients[0].raw.close()
        wait_for(lambda: server.request("GET", "/livez").status == 200, "place for one more")
        assert clients[1].request(fields()) == (200, b"ok")


def is_open(server: Server) -> bool:
    with contextlib.suppress(ConnectionError):
        return server.request("GET", "/livez").status == 200
    return False


anything = st.one_of(
    st.builds(
        frame,
        st.integers(0, 11),
        st.integers(0, 255),
        st.integers(0, 7),
        st.one_of(st.binary(max_size=40), st.sampled_from([GET, GET + b"\xbe", bytes(4), bytes(8)])),
    ),
    st.builds(
        lambda method, path: frame(HEADERS, END_STREAM | END_HEADERS, 1, encoded(fields(method, path))),
        st.binary(max_size=8),
        st.binary(max_size=40),
    ),
    st.binary(max_size=60),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(anything, min_size=1, max_size=12))
def test_the_server_outlives_any_frames(server: Server, frames: list[bytes]) -> None:
    with server.address.socket() as sock, contextlib.suppress(ConnectionError):
        sock.sendall(OPENING + b"".join(frames) + frame(PING, 0, 0, b"the last"))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    assert lives(server)
