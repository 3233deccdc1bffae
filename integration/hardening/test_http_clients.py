"""hardening.md A3, A5, B1-B6: HTTP/1 of real clients and proxies, and of attackers."""

import contextlib
import json
import re
import select
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil
import pytest
from integration.chaos.supervisor_use import Use
from integration.conftest import Serve
from testing.events import WANTS_EVENTS
from testing.holding import hold
from testing.model import Model
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md A3, A5, B1-B6")

MIB: Final = 1024 * 1024
H2C: Final = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
)
HEALTH: Final = b"GET /health-check HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST: Final = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
STREAMING: Final = replace(Model.named("script"), is_streaming=True)


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def post(body: object, *fields: bytes) -> bytes:
    """The bytes of `POST /predictions`."""
    data = json.dumps(body).encode()
    head = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%b"
    return head % b"".join(fields) + b"Content-Length: %d\r\n\r\n%b" % (len(data), data)


def chunked(body: object, trailers: bytes) -> bytes:
    """The same, in one chunk."""
    data = json.dumps(body).encode()
    head = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    coding = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(data), data)
    return head + coding + trailers + b"\r\n"


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


# A3


def test_trailers_change_nothing(server: Server) -> None:
    body = {"input": returning("1")}
    answer = server.address.send_raw(
        chunked(body, b"Prefer: respond-async\r\nAccept: text/event-stream\r\n") + LAST
    )
    assert statuses(answer) == [200, 200]
    assert b'"output":1' in answer


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"0\r\n" + b"A: b\r\n" * 10_000, id="trailers"),
        pytest.param(b"0\r\nA: " + b"b" * 65536, id="trailer"),
        pytest.param(b"1;" + b"a" * 65536, id="extension"),
    ],
)
def test_framing_without_end_takes_no_memory(server: Server, endless: bytes) -> None:
    before = Use.of(server)
    with server.address.socket() as sock:
        sock.sendall(chunked({}, b"")[:-5] + endless)
        piece = endless[-6:] * 10_000
        with contextlib.suppress(ConnectionError):
            for _ in range(32 * MIB // len(piece)):
                sock.sendall(piece)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = sock.recv(4096)
    assert statuses(answer) in ([431], [])  # a reset may arrive before the response is read
    assert Use.of(server).resident_bytes - before.resident_bytes < 8 * MIB


# A5


def connections_of(server: Server) -> int:
    """Return the number of client connections."""
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    return sum(it.status != psutil.CONN_LISTEN and it.laddr.port == server.address.port for it in connections)


def socket_with_little_room(server: Server, room_bytes: int = 4096) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)
    sock.connect((server.address.host, server.address.port))
    return sock


def test_clients_that_take_nothing_are_cut_off_and_their_memory_is_free(serve: Serve) -> None:
    # Without records, which keep the output longer than the client does.
    variables = {"COG_SEND_TIMEOUT": "2", "COG_RECORDS": "off"}
    with serve("script", variables=variables) as server, contextlib.ExitStack() as stack:
        large = returning("'x' * 20_000_000")
        server.predict(large)
        before = Use.of(server)
        for fields in (b"", b"Connection: close\r\n") * 2:
            sock = stack.enter_context(socket_with_little_room(server))
            sock.sendall(post({"input": large}, fields))
            assert sock.recv(1) == b"H"  # the response is being sent, and not read
            assert server.predict(returning("1")).status == 200  # the slot is free
        wait_for(lambda: connections_of(server) == 0, "end of the connections")
        assert Use.of(server).resident_bytes - before.resident_bytes < 40 * MIB


def test_a_slow_client_that_takes_something_is_not_cut_off(serve: Serve) -> None:
    with serve("script", variables={"COG_SEND_TIMEOUT": "2"}) as server:
        with socket_with_little_room(server, 32768) as sock:
            sock.sendall(post({"input": returning("'x' * 20_000_000")}, b"Connection: close\r\n"))
            received = 0
            for _ in range(40):  # for twice the time-out
                received += len(sock.recv(16384))
                threading.Event().wait(0.1)
            while data := sock.recv(MIB):
                received += len(data)
        assert received > 20_000_000


def test_a_stream_that_is_not_taken_is_cut_off_and_its_prediction_canceled(serve: Serve) -> None:
    code = (
        "import time\ndef predict():\n    while True:\n        yield 'x' * 10_000\n        time.sleep(0.001)"
    )
    with serve(STREAMING, variables={"COG_SEND_TIMEOUT": "2"}) as server:
        with socket_with_little_room(server) as sock:
            accept = b"Accept: %b\r\n" % WANTS_EVENTS["Accept"].encode()
            sock.sendall(post({"input": {"code": code}}, accept))
            assert sock.recv(1) == b"H"
            assert server.health()["status"] == "BUSY"
            server.wait_status("READY")
            wait_for(lambda: connections_of(server) == 0, "end of the connection")


# B1


@pytest.mark.parametrize(
    "offer", [H2C, b"Connection: upgrade\r\nUpgrade: websocket\r\n"], ids=["h2c", "websocket"]
)
def test_an_offer_of_another_protocol_is_ignored(server: Server, offer: bytes) -> None:
    request = post({"input": returning("1")}, offer)
    with server.address.socket() as sock:
        for piece in (request[:100], request[100:-5], request[-5:] + request + LAST):
            sock.sendall(piece)
            server.address.request("GET", "/livez")  # by then the server has read the request
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert statuses(answer) == [200, 200, 200]
    assert answer.count(b'"output":1') == 2


def test_connect_is_refused(server: Server) -> None:
    assert statuses(server.address.send_raw(b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n")) == [400]


# B2, B3


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"GET /livez HTTP/1.1\r\n", 400, id="no host"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400, id="two hosts"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: local host\r\n", 400, id="bad host"),
        pytest.param(b"GET /livez HTTP/1.0\r\n", 200, id="no host in 1.0"),
        pytest.param(b"GET http://localhost/livez HTTP/1.1\r\nHost: evil.example\r\n", 200, id="absolute"),
        pytest.param(b"GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n", 403, id="foreign"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", 200, id="options"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n", 403, id="foreign options"),
    ],
)
def test_hosts_and_targets(server: Server, head: bytes, status: int) -> None:
    assert statuses(server.address.send_raw(head + b"Connection: close\r\n\r\n")) == [status]


def test_options_name_what_the_server_understands(server: Server) -> None:
    answer = server.address.request("OPTIONS", "*")
    methods = "DELETE, GET, HEAD, POST, PUT"
    assert (answer.headers["allow"], answer.headers["content-length"]) == (methods, "0")


# B4


def test_http_1_0_without_keep_alive_ends_after_the_answer(server: Server) -> None:
    for path in (b"/livez", b"/health-check", b"/nothing", b"/openapi.json"):
        answer = server.address.send_raw(b"GET %b HTTP/1.0\r\n\r\n" % path)
        assert b"\r\nconnection: close\r\n" in answer


def test_http_1_0_with_keep_alive_stays_open_and_the_answer_says_so(server: Server) -> None:
    with server.address.socket() as sock:
        for _ in range(3):
            sock.sendall(b"GET /livez HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            assert b"\r\nconnection: keep-alive\r\n" in sock.recv(4096)


# B5


def test_200_pipelined_requests_are_answered_in_order(server: Server) -> None:
    order = [200 if number % 3 else 404 for number in range(200)]
    paths = {200: b"/livez", 404: b"/nothing"}
    requests = [b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % paths[status] for status in order]
    assert statuses(server.address.send_raw(b"".join(requests) + LAST)) == [*order, 200]


def test_pipelined_predictions_are_run_in_order(server: Server) -> None:
    requests = [post({"input": returning(str(number))}) for number in range(20)]
    answer = server.address.send_raw(b"".join(requests) + LAST)
    assert [int(output) for output in re.findall(rb'"output":(\d+)', answer)] == list(range(20))


@pytest.mark.parametrize(
    "leave",
    [pytest.param(socket.socket.close, id="close"), pytest.param(lambda it: it.shutdown(1), id="half-close")],
)
def test_a_client_that_leaves_behind_a_pipelined_request_frees_the_slot(
    server: Server, leave: object
) -> None:
    with server.address.socket() as sock:
        sock.sendall(post({"id": "left", "input": script(hold, until="never")}) + HEALTH)
        server.wait_logged("left", "held")
        assert callable(leave)
        leave(sock)
        wait_for(lambda: not server.peek("left"), "end of the prediction")
    assert server.predict(returning("1")).json()["output"] == 1


# B6


def test_400_clients_at_once_lose_no_syn(server: Server) -> None:
    """Connections wait in the kernel while the server is busy; a full backlog would drop the SYN."""
    if int(Path("/proc/sys/net/core/somaxconn").read_text()) < 400:
        pytest.skip("the kernel's backlog is smaller: net.core.somaxconn")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(400)]
        server.signal(signal.SIGSTOP)
        try:
            for sock in socks:
                sock.setblocking(False)
                sock.connect_ex((server.address.host, server.address.port))
            connected = select.poll()
            for sock in socks:
                connected.register(sock, select.POLLOUT)
            wait_for(lambda: len(connected.poll(0)) == 400, "400 connections")
        finally:
            server.signal(signal.SIGCONT)
        for sock in socks:
            sock.settimeout(30)
            sock.sendall(LAST)
            assert b" 200 OK" in sock.recv(4096)
