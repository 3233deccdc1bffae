"""HTTP/1 over a fake transport: bytes in, bytes out, and the events of the host and the application."""

import math

import pytest
from tests.supervisor.connecting import GET, OK, POST, Client, answer, begun, body_of

from coglet_supervisor.http.connection import (
    BODY_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    MAX_HEAD_BYTES,
)
from coglet_supervisor.http.exchange import MAX_BUFFERED_BODY_BYTES


@pytest.fixture
async def client() -> Client:
    return Client()


async def test_a_request_and_its_answer(client: Client) -> None:
    client.send(b"POST /a%20b?q=1 HTTP/1.1\r\nX-Name: V\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    (exchange,) = client.host.asked
    scope = exchange.scope
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("POST", "/a b", b"/a%20b")
    assert (scope["query_string"], scope["headers"][0]) == (b"q=1", (b"x-name", b"V"))
    assert await body_of(exchange) == b"abc"
    await answer(exchange)
    assert client.got == OK
    assert client.wire.ended is None
    assert client.connection.is_idle


async def test_requests_in_pieces_of_any_size(client: Client) -> None:
    for byte in POST + b"Content-Length: 3\r\n\r\nabc":
        client.send(bytes([byte]))
    assert await body_of(client.host.asked[0]) == b"abc"


async def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    client.send(GET + GET.replace(b"/a", b"/b"))
    (first,) = client.host.asked  # the second one waits
    assert not client.wire.reads
    await answer(first, b"1")
    _, second = client.host.asked
    await answer(second, b"2")
    assert [part[-1:] for part in client.got.split(b"HTTP/1.1 200 OK")[1:]] == [b"1", b"2"]
    assert second.scope["path"] == "/b"
    assert client.wire.reads


async def test_a_chunked_request(client: Client) -> None:
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert await body_of(client.host.asked[0]) == b"abcde"


async def test_an_answer_without_a_length_is_chunked(client: Client) -> None:
    client.send(GET)
    (exchange,) = client.host.asked
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    assert client.got == b""  # the head is sent with the first piece of the body
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": True})
    assert client.got == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    await exchange.send({"type": "http.response.body", "body": b"a" * 17, "more_body": True})
    await exchange.send({"type": "http.response.body", "body": b""})
    assert client.got == b"11\r\n" + b"a" * 17 + b"\r\n0\r\n\r\n"


async def test_head_is_answered_without_a_body(client: Client) -> None:
    client.send(GET.replace(b"GET", b"HEAD"))
    await answer(client.host.asked[0])
    assert client.got == OK.removesuffix(b"ok")


async def test_http_1_0_ends_with_the_connection(client: Client) -> None:
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    (exchange,) = client.host.asked
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    await exchange.send({"type": "http.response.body", "body": b"ok"})
    assert client.got == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok"
    assert client.wire.ended == "closed"


async def test_connection_close_is_respected(client: Client) -> None:
    client.send(GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
    await answer(client.host.asked[0])
    assert b"connection: close\r\n" in client.got
    assert client.wire.ended == "closed"


async def test_100_continue_only_when_the_body_is_wanted(client: Client) -> None:
    client.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    (exchange,) = client.host.asked
    assert client.got == b""
    reading = await begun(body_of(exchange))
    assert client.got == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"ab")
    assert await reading == b"ab"
    await answer(exchange)
    assert client.got == OK


async def test_after_an_early_response_it_keeps_reading_for_a_while_then_closes(client: Client) -> None:
    client.send(POST + b"Content-Length: 1000\r\n\r\nabc")
    await answer(client.host.asked[0], status=413)
    response = client.got
    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in response
    assert client.wire.ended == "eof"
    client.send(b"what is still being sent")
    assert client.got == b""
    assert client.wire.reads
    assert len(client.host.asked) == 1


async def test_a_body_is_read_only_as_fast_as_the_application_receives_it(client: Client) -> None:
    client.send(POST + b"Content-Length: 10000000\r\n\r\n")
    client.send(b"x" * (MAX_BUFFERED_BODY_BYTES + 1))
    assert not client.wire.reads
    (exchange,) = client.host.asked
    assert len((await exchange.receive())["body"]) == MAX_BUFFERED_BODY_BYTES + 1
    more = await begun(exchange.receive())
    assert client.wire.reads
    client.send(b"y")
    assert (await more)["body"] == b"y"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, 431),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
    ids=["no-http", "bad-length", "long-head", "connect"],
)
async def test_invalid_http_is_rejected(client: Client, data: bytes, status: int) -> None:
    client.send(data)
    assert client.got.startswith(b"HTTP/1.1 %d " % status)
    assert client.wire.ended == "eof"


async def test_a_rejected_body_is_a_disconnect_for_the_application(client: Client) -> None:
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    (exchange,) = client.host.asked
    assert await exchange.receive() == {"type": "http.disconnect"}
    await answer(exchange)
    assert client.got.count(b"HTTP/1.1 ") == 1


async def test_a_disconnect_of_the_client_is_noticed(client: Client) -> None:
    client.send(GET + GET)
    (exchange,) = client.host.asked
    await body_of(exchange)
    waiting = await begun(exchange.receive())
    client.connection.connection_lost(None)
    assert await waiting == {"type": "http.disconnect"}
    await answer(exchange)
    assert client.got == b""
    assert client.host.connections == []
    assert len(client.host.asked) == 1  # the second request is not started


async def test_a_slow_reader_delays_the_sender(client: Client) -> None:
    client.send(GET)
    (exchange,) = client.host.asked
    client.connection.pause_writing()
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    piece = {"type": "http.response.body", "body": b"a", "more_body": True}
    sending = await begun(exchange.send(piece))
    assert not sending.done()
    client.connection.resume_writing()
    await sending


async def test_an_application_that_raises_is_500(client: Client) -> None:
    client.send(GET)
    client.host.asked[0].fail()
    assert (
        client.got == b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    assert client.wire.ended == "closed"


async def test_an_application_that_raises_during_its_response_aborts_the_connection(client: Client) -> None:
    client.send(GET)
    (exchange,) = client.host.asked
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    await exchange.send({"type": "http.response.body", "body": b"a", "more_body": True})
    exchange.fail()
    assert client.wire.ended == "aborted"


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"10")]], ids=["chunked", "with a length"])
async def test_a_second_response_is_refused_and_aborts_the_connection(
    client: Client, headers: list[tuple[bytes, bytes]]
) -> None:
    client.send(GET)
    (exchange,) = client.host.asked
    await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": b"a", "more_body": True})
    assert client.got.endswith(b"a" if headers else b"1\r\na\r\n")
    with pytest.raises(RuntimeError, match="second response"):
        await answer(exchange, status=503)
    exchange.fail()
    assert (client.got, client.wire.ended) == (b"", "aborted")


async def test_deadlines_apply_only_while_the_client_must_send(client: Client) -> None:
    assert client.deadline_in_s == pytest.approx(HEAD_TIMEOUT_S, abs=5)
    client.send(POST + b"Content-Length: 2\r\n\r\n")
    assert client.deadline_in_s == pytest.approx(BODY_TIMEOUT_S, abs=5)
    client.send(b"ab")
    assert client.deadline_in_s is None  # the client has sent everything; the server has no deadline
    await answer(client.host.asked[0])
    assert client.deadline_in_s == pytest.approx(IDLE_TIMEOUT_S, abs=5)


async def test_a_body_that_stops_is_408_and_an_idle_client_is_closed(client: Client) -> None:
    client.send(POST + b"Content-Length: 2\r\n\r\na")
    client.connection.time_out()
    assert client.got.startswith(b"HTTP/1.1 408 ")
    idle = Client()
    idle.connection.time_out()
    assert (idle.got, idle.wire.ended) == (b"", "closed")


async def test_a_stopping_server_closes_after_the_response(client: Client) -> None:
    client.send(GET)
    client.host.is_stopping = True
    await answer(client.host.asked[0])
    response = client.got
    assert b"\r\nconnection: close\r\n" in response
    assert response.endswith(b"ok")
    assert client.wire.ended == "closed"


async def test_one_connection_too_many_is_503(client: Client) -> None:
    client.connection.refuse_at_capacity()
    assert client.got.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("piece_bytes", [1, 2, 15, 16, 17, 24])
async def test_http_2_is_handed_over_with_a_preface_in_any_pieces(client: Client, piece_bytes: int) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    sent = 0
    while client.host.http2 is None:
        client.send(preface[sent : sent + piece_bytes])
        sent += piece_bytes
    assert client.host.http2 == preface[:sent]
    assert (client.host.connections, client.got) == ([], b"")


async def test_an_incomplete_http_2_preface_is_http_1(client: Client) -> None:
    for piece in (b"P", b"OST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"):
        client.send(piece)
    assert client.host.asked[0].scope["method"] == "POST"


async def test_http_2_is_not_accepted_after_a_request(client: Client) -> None:
    client.send(GET + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert client.host.http2 is None


async def test_a_client_that_reads_nothing_is_disconnected() -> None:
    client = Client()
    client.send(GET)
    await answer(client.host.asked[0], b"x" * 100)
    client.wire.unsent = 100
    client.connection.check(1000.0)
    client.connection.check(1059.0)
    assert client.wire.ended is None
    client.wire.unsent = 99  # one byte taken is progress
    client.connection.check(1070.0)
    client.connection.check(1129.0)
    assert client.wire.ended is None
    client.connection.check(1131.0)
    assert client.wire.ended == "aborted"


async def test_only_data_that_the_client_reads_is_progress() -> None:
    client = Client()
    client.send(GET)
    (exchange,) = client.host.asked
    await exchange.send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
    )
    for second, unsent in ((0, 0), (60, 100), (120, 100), (180, 100)):
        client.connection.check(1000.0 + second)
        await exchange.send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
        client.wire.unsent = unsent
    client.connection.check(1240.0)
    assert client.wire.ended is None  # a hundred bytes were taken each time
    for second in (300, 360):
        client.wire.unsent += 100
        await exchange.send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
        client.connection.check(1001.0 + second)
    assert client.wire.ended == "aborted"


async def test_without_a_send_timeout_a_client_is_never_disconnected() -> None:
    client = Client()
    client.host.send_timeout_s = math.inf
    client.wire.unsent = 100
    client.connection.deadline = None
    client.connection.check(0.0)
    client.connection.check(1e9)
    assert client.wire.ended is None


async def test_a_slow_head_has_a_single_deadline() -> None:
    client = Client()
    client.connection.deadline = None
    client.send(GET[:5])
    deadline = client.connection.deadline
    assert client.deadline_in_s == pytest.approx(HEAD_TIMEOUT_S, abs=5)
    for byte in GET[5:-1]:
        client.send(bytes([byte]))
    assert client.connection.deadline == deadline
