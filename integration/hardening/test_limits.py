"""hardening.md R18, R20, R21, S1-S5: requests over a limit are refused, and the next client is served."""

import contextlib
import os
import re
import resource
import signal
import threading
from collections.abc import Iterator
from typing import Final

import psutil
import pytest
from integration.conftest import Serve
from integration.hardening.workers import worker_pids
from testing.script import returning
from testing.server import Server
from testing.small_disk import small_disk
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md R18-S5")

MIB: Final = 1024 * 1024
POST: Final = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer.split(b" ", 2)[1])


def serves(server: Server) -> bool:
    return bool(server.predict(returning("1")).json()["output"] == 1)


# S1, S2


@pytest.mark.parametrize(
    ("request_head", "statuses"),
    [
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"x" * 200_000), {431}, id="head"),
        pytest.param(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 70_000), {414, 431}, id="URI"),
        pytest.param(
            b"GET /livez HTTP/1.1\r\nHost: x\r\n%b\r\n" % (b"X: x\r\n" * 200), {431}, id="number of headers"
        ),
        pytest.param(POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", {400}, id="both"),
        pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}, id="two lengths"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n{}", {400}, id="negative length"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", {400}, id="chunk size"),
        pytest.param(POST + b"Content-Length: 900000000\r\n\r\n{}", {413}, id="announced"),
    ],
)
def test_what_is_too_much_or_ambiguous_is_refused_and_closed(
    server: Server, request_head: bytes, statuses: set[int]
) -> None:
    assert status_of(server.address.send_raw(request_head)) in statuses
    assert serves(server)


def test_a_chunked_body_over_the_limit_is_refused_before_its_end(serve: Serve) -> None:
    with serve("script", variables={"COG_MAX_BODY_BYTES": str(MIB)}) as server:
        with server.address.socket() as sock:
            sock.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
            with contextlib.suppress(ConnectionError):
                for _ in range(20):
                    sock.sendall(chunk)
            assert status_of(sock.recv(4096)) == 413
        assert serves(server)


# S3, S4


def test_clients_that_trickle_do_not_keep_others_waiting(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        trickling = [stack.enter_context(server.address.socket()) for _ in range(200)]
        for sock in trickling[::2]:
            sock.sendall(b"POST /predictions HTTP/1.1\r\nHost: loc")
        for sock in trickling[1::2]:
            sock.sendall(POST + b"Content-Length: 100\r\n\r\n{")
        for _ in range(20):
            assert serves(server)


def test_a_head_that_does_not_end_is_given_up(server: Server) -> None:
    with server.address.socket() as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: loc")
        assert not sock.recv(4096)  # the socket's own timeout would raise


def test_clients_over_the_cap_get_503_and_it_recovers(serve: Serve) -> None:
    with serve("script", variables={"COG_MAX_CONNECTIONS": "20"}) as server:
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(server.address.socket())
            wait_for(lambda: server.address.request("GET", "/livez").status == 503, "refusal")
        wait_for(lambda: server.address.request("GET", "/livez").status == 200, "recovery")
        assert serves(server)


def test_without_descriptors_clients_are_turned_away_and_it_recovers(serve: Serve) -> None:
    with serve("script") as server:
        used = psutil.Process(server.process.pid).num_fds()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(server.address.socket())
            before = sum(psutil.Process(server.process.pid).cpu_times()[:2])
            threading.Event().wait(1)
            busy_s = sum(psutil.Process(server.process.pid).cpu_times()[:2]) - before
        wait_for(lambda: answers(server), "recovery")
        assert serves(server)
        assert busy_s < 0.9, "a busy loop in accept"
        assert re.search(
            r"closed \d+ new connections: the limit of \d+ file descriptors is reached", server.log
        )


def test_without_descriptors_a_worker_is_started_less_and_less_often(serve: Serve) -> None:
    with serve("script") as server:
        assert serves(server)
        (worker,) = worker_pids(server)
        soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        # Standard input, output and error are open, so that none is left, whatever else is opened or closed.
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, hard))
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: server.log.count("failed to spawn worker") == 4, "four attempts")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        server.wait_status("READY")
        assert serves(server)
        delays = re.findall(r"failed to spawn worker.*restart in ([\d.]+) s", server.log)
        assert float(delays[3]) > 2 * float(delays[0])


def answers(server: Server) -> bool:
    with contextlib.suppress(ConnectionError):
        return server.address.request("GET", "/livez").status == 200
    return False


# S5


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"input":' + b"[" * 100_000, id="depth, open"),
        pytest.param(b'{"input":{"code":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", id="depth"),
        pytest.param(b'{"input":{"code":[' + b"{}," * 3_400_000 + b"{}]}}", id="ten megabytes of objects"),
        pytest.param(b'{"input":{"code":NaN}}', id="NaN"),
        pytest.param(b'{"input":{"code":"\xff"}}', id="no UTF-8"),
        pytest.param(b'{"input":{"code":"\\ud800"}}', id="lone surrogate"),
        pytest.param(b'{"input":{"code":1e999}}', id="no double"),
    ],
)
def test_hostile_json_is_the_clients_fault(server: Server, body: bytes) -> None:
    answer = server.address.request("POST", "/predictions", body, {"Content-Type": "application/json"})
    assert 400 <= answer.status < 500, answer
    assert serves(server)


def test_an_integer_of_any_length_does_no_harm(server: Server) -> None:
    body = b'{"input":{"code":%b}}' % (b"1" * 5000)
    answer = server.address.request("POST", "/predictions", body, {"Content-Type": "application/json"})
    assert answer.status in {200, 400, 422}
    assert serves(server)


# R20, R21


def test_a_log_reader_that_is_stuck_stops_nothing(serve: Serve) -> None:
    """stderr is a pipe without a reader."""
    entry = ("-c", STUCK_STDERR)
    code = "def predict():\n    print('x' * 100_000)\n    return 1"
    with serve("script", entry=entry) as server:
        for _ in range(20):
            assert server.predict({"code": code}).json()["output"] == 1


STUCK_STDERR: Final = (
    "import os, sys\n"
    "reader, writer = os.pipe()\n"
    "os.dup2(writer, 2)\n"
    "os.set_inheritable(reader, True)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'cog.server.http', *sys.argv[1:]])\n"
)


def test_a_log_on_a_full_disk_stops_nothing(serve: Serve) -> None:
    entry = (
        "-c",
        STUCK_STDERR.replace("reader, writer = os.pipe()", "writer = reader = os.open('/dev/full', 1)"),
    )
    with serve("script", entry=entry) as server:
        for _ in range(3):
            assert serves(server)


def test_a_full_disk_fails_the_prediction_and_leaves_no_file(serve: Serve) -> None:
    with small_disk() as disk:
        if disk is None:
            pytest.skip("no small disk can be mounted here, which needs root")
        with serve("script", variables={"TMPDIR": str(disk)}) as server:
            code = "def predict(text):\n    return len(text)"
            for large in (
                {"code": code, "arguments": {"text": "x" * 70 * MIB}},
                returning(f"'x' * {70 * MIB}"),
            ):
                body = server.predict(large).json()
                assert (body["status"], "No space left" in body["error"]) == ("failed", True)
            assert server.health()["status"] == "READY"
            assert serves(server)
            assert psutil.disk_usage(str(disk)).used < MIB
