"""Heads as real clients and proxies send them: upgrades, targets, HTTP/1.0, trailers."""

import pytest
from tests.supervisor.connecting import GET, OK, POST, Client, answer, begun, body_of

from coglet_supervisor.http.connection import MAX_HEAD_BYTES, MAX_PIPELINED

# What `curl --http2` and Java's HttpClient send to every http:// URL.
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
WEBSOCKET = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


def fields(client: Client, index: int = -1) -> dict[bytes, bytes]:
    return dict(client.host.asked[index].scope["headers"])


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
@pytest.mark.parametrize(
    ("request_bytes", "body"),
    [
        (GET, b""),
        (POST + b"Content-Length: 5\r\n\r\nabcde", b"abcde"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", b"abcde"),
    ],
    ids=["no body", "length", "chunked"],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_an_upgrade_to_another_protocol_is_ignored(
    offer: bytes, request_bytes: bytes, body: bytes, in_pieces: bool
) -> None:
    client = Client()
    data = request_bytes.replace(b"Host: x\r\n", b"Host: x\r\n" + offer) + GET
    for piece in [bytes([byte]) for byte in data] if in_pieces else [data]:
        client.send(piece)
    (first,) = client.host.asked
    assert b"upgrade" not in fields(client)
    assert await body_of(first) == body
    await answer(first)
    assert client.got == OK
    _, second = client.host.asked
    await answer(second)
    assert (client.got, client.wire.ended) == (OK, None)


async def test_consecutive_upgrades_are_ignored() -> None:
    client = Client()
    client.send(200 * GET.replace(b"Host: x\r\n", b"Host: x\r\n" + H2C))
    for index in range(200):
        await answer(client.host.asked[index])
    assert client.got == 200 * OK


async def test_connect_is_refused_and_closed() -> None:
    client = Client()
    client.send(b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n" + GET)
    assert client.got == b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert client.wire.ended == "eof"
    assert client.host.asked == []


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"http://y/a%20b?c?d", b"/a%20b", b"c?d", b"y"),
        (b"HTTP://Y:80", b"/", b"", b"Y:80"),
        (b"https://[::1]:5000?a", b"/", b"a", b"[::1]:5000"),
        (b"/http://y/", b"/http://y/", b"", b"x"),
    ],
)
async def test_the_host_of_an_absolute_target_takes_precedence(
    target: bytes, path: bytes, query: bytes, host: bytes
) -> None:
    client = Client()
    client.send(b"GET %b HTTP/1.1\r\nAccept: */*\r\nHost: x\r\n\r\n" % target)
    scope = client.host.asked[0].scope
    assert (scope["raw_path"], scope["query_string"]) == (path, query)
    assert sorted(scope["headers"]) == [(b"accept", b"*/*"), (b"host", host)]


@pytest.mark.parametrize(
    "target", [b"http://", b"http:///a", b"http://u@x/", b"http://a:b/", b"ftp://x/", b"*", b"x:80"]
)
async def test_other_targets_are_refused(target: bytes) -> None:
    client = Client()
    client.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert client.got.startswith(b"HTTP/1.1 400 ")
    assert client.host.asked == []


async def test_an_absolute_target_also_needs_a_host() -> None:
    client = Client()
    client.send(b"GET http://y/ HTTP/1.1\r\n\r\n")
    assert client.got.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "host", [b"my_model.internal", b"r8.im:5000", b"[fe80::1%25eth0]", b"1.2.3.4", b"x:", b"\tx \t"]
)
async def test_a_host_that_is_valid(host: bytes) -> None:
    client = Client()
    client.send(b"GET / HTTP/1.1\r\nHost:" + host + b"\r\n\r\n")
    assert fields(client) == {b"host": host.strip()}


async def test_a_host_has_a_maximum_length() -> None:
    client = Client()
    client.send(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % (b"x" * 1000))
    assert client.got.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"Connection: close\r\n",
        b"Connection: keep-alive, close\r\n",
        b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
    ],
)
async def test_http_1_0_ends_after_the_answer(extra: bytes) -> None:
    client = Client()
    client.send(b"GET / HTTP/1.0\r\n%b\r\n" % extra)
    await answer(client.host.asked[0])
    assert client.got == OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    assert client.wire.ended is not None


async def test_http_1_0_with_keep_alive_persists_and_is_confirmed() -> None:
    client = Client()
    for index in range(2):
        client.send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        await answer(client.host.asked[index])
        assert client.got == OK.replace(b"\r\n\r\n", b"\r\nconnection: keep-alive\r\n\r\n")
    assert client.wire.ended is None


async def test_http_1_0_gets_no_100_continue() -> None:
    client = Client()
    client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    await begun(body_of(client.host.asked[0]))
    assert client.got == b""


TRAILERS = b"Prefer: respond-async\r\nUpgrade: x\r\nExpect: 100-continue\r\nHost: y\r\n"


async def test_trailers_are_dropped() -> None:
    client = Client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + TRAILERS + b"\r\n" + GET)
    (first,) = client.host.asked
    assert await body_of(first) == b"a"
    assert fields(client) == {b"host": b"x", b"transfer-encoding": b"chunked"}
    await answer(first)
    assert client.got == OK
    _, second = client.host.asked
    assert fields(client) == {b"host": b"x"}
    await answer(second)
    assert (client.got, client.wire.ended) == (OK, None)


async def test_a_connection_trailer_closes_the_connection() -> None:
    client = Client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nConnection: close\r\n\r\n" + GET)
    (exchange,) = client.host.asked
    await answer(exchange)
    assert client.got == OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    assert client.host.asked == [exchange]


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b"0\r\nA: ", b"b"), (b"0\r\n", b"A: bcd\r\n"), (b"1;", b"a"), (b"0", b"0")],
    ids=["trailer", "trailers", "extension", "zeros"],
)
async def test_endless_framing_is_rejected(begin: bytes, piece: bytes) -> None:
    client = Client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
    client.send(begin)
    for _ in range(MAX_HEAD_BYTES // 4096):
        assert client.wire.ended is None
        client.send(4096 // len(piece) * piece)
    assert client.got.startswith(b"HTTP/1.1 431 ")
    assert client.wire.ended == "eof"


@pytest.mark.parametrize(
    ("extension_bytes", "accepted"), [(8, True), (2048, True), (4096, False)], ids=["few", "twice", "four"]
)
async def test_extensions_are_bounded_by_the_data(extension_bytes: int, accepted: bool) -> None:
    client = Client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    exchange = client.host.asked[0]
    for _ in range(200):
        client.send(b"400;%b\r\n%b\r\n" % (b"a" * extension_bytes, b"x" * 1024))
        if not client.wire.ended:
            await exchange.receive()
    assert client.got.startswith(b"HTTP/1.1 431 ") is not accepted


async def test_a_body_of_single_bytes_is_accepted() -> None:
    client = Client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(50):
        client.send(b"1\r\nx\r\n" * 1000)
        await client.host.asked[0].receive()
    client.send(b"0\r\n\r\n")
    assert client.host.asked[0].request_complete


async def test_200_pipelined_requests_are_answered_in_order() -> None:
    client = Client()
    client.send(b"".join(GET.replace(b"/a", b"/%d" % index) for index in range(200)))
    for index in range(200):
        assert client.host.asked[index].scope["path"] == f"/{index}"
        await answer(client.host.asked[index])
    assert client.got == 200 * OK
    assert client.wire.reads


async def test_too_many_pipelined_requests_are_rejected_after_the_others() -> None:
    client = Client()
    client.send(GET * (MAX_PIPELINED + 2))
    for index in range(MAX_PIPELINED + 1):
        await answer(client.host.asked[index])
    assert client.got.startswith(OK * (MAX_PIPELINED + 1) + b"HTTP/1.1 429 ")
    assert client.wire.ended == "eof"
