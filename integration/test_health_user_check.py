"""runtime.md 2.7: the health check that a model's author writes."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from integration.conftest import Serve
from testing.holding import holding
from testing.script import returning
from testing.server import Server
from testing.waiting import wait_for

FAILED = "Healthcheck failed: "
TIMED_OUT = f"{FAILED}user-defined healthcheck timed out after 5.0 seconds"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("checked", until=None) as server:
        (server.folder / "verdict").write_text("True")
        server.wait_status("READY")
        yield server


@pytest.fixture(scope="module")
def async_server(serve: Serve) -> Iterator[Server]:
    with serve("async_checked", until=None) as server:
        (server.folder / "verdict").write_text("return True")
        server.wait_status("READY")
        yield server


def verdict(server: Server, text: str) -> tuple[str, str | None]:
    """Return status and error of the health check when the model's check returns this."""
    (server.folder / "verdict").write_text(text)
    health = server.health()
    return health["status"], health.get("user_healthcheck_error")


def read_all(sock: socket.socket) -> bytes:
    """Return everything that the server sends until it closes."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("healthy", ["True", "None", "0", "''", "[]", "'no'"])
def test_all_but_false_is_healthy(server: Server, healthy: str) -> None:
    assert verdict(server, healthy) == ("READY", None)


@pytest.mark.parametrize(
    ("unhealthy", "error"),
    [
        ("False", f"{FAILED}user-defined healthcheck returned False"),
        ("1 / 0", f"{FAILED}ZeroDivisionError: division by zero"),
        ("{}['key']", f"{FAILED}KeyError: 'key'"),
    ],
)
def test_false_and_exceptions_are_unhealthy(server: Server, unhealthy: str, error: str) -> None:
    assert verdict(server, unhealthy) == ("UNHEALTHY", error)


def test_a_check_has_five_seconds(server: Server) -> None:
    assert verdict(server, "time.sleep(5.5)") == ("UNHEALTHY", TIMED_OUT)
    assert verdict(server, "True") == ("READY", None)


def test_predictions_are_taken_while_unhealthy(server: Server) -> None:
    assert verdict(server, "False")[0] == "UNHEALTHY"
    assert server.predict(returning("1")).json()["output"] == 1
    assert verdict(server, "True")[0] == "READY"


def test_the_check_runs_while_busy_and_wins(server: Server) -> None:
    assert verdict(server, "True")[0] == "READY"
    with holding(server, "in-the-way"):
        assert verdict(server, "True") == ("BUSY", None)
        assert verdict(server, "False")[0] == "UNHEALTHY"
    assert verdict(server, "True")[0] == "READY"


def test_requests_at_the_same_time_share_one_run(server: Server) -> None:
    (server.folder / "verdict").write_text(
        "[time.sleep(0.01) for _ in iter(pathlib.Path('shared').exists, True)]"
    )
    checks = server.folder / "checks"
    before = len(checks.read_text().splitlines())
    with ExitStack() as stack:
        sockets = [stack.enter_context(server.address.socket()) for _ in range(8)]
        for sock in sockets:
            sock.sendall(b"GET /health-check HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wait_for(lambda: len(checks.read_text().splitlines()) > before, "begin of a check")
        server.request("GET", "/")  # answered only after the eight others were read
        (server.folder / "shared").touch()
        assert all(b"READY" in read_all(sock) for sock in sockets)
    assert len(checks.read_text().splitlines()) - before <= 2


def test_what_a_check_prints_goes_to_the_server_log(server: Server) -> None:
    assert verdict(server, "True") == ("READY", None)
    server.wait_log("the check speaks")
    record = next(r for r in server.records if r["fields"]["message"] == "the check speaks")
    assert record["target"] == "coglet::user"


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ("return True", "READY", None),
        ("await asyncio.sleep(0); return None", "READY", None),
        ("return False", "UNHEALTHY", f"{FAILED}user-defined healthcheck returned False"),
        ("raise ValueError('boom')", "UNHEALTHY", f"{FAILED}ValueError: boom"),
        ("await asyncio.sleep(60)", "UNHEALTHY", TIMED_OUT),
    ],
)
def test_a_check_may_be_async(async_server: Server, text: str, status: str, error: str | None) -> None:
    assert verdict(async_server, text) == (status, error)


@pytest.mark.ours("runtime.md 16.11: SystemExit in an async check ends the peer's loop for good")
def test_an_async_check_that_exits_does_no_harm(async_server: Server) -> None:
    status, error = verdict(async_server, "raise SystemExit(1)")
    assert (status, "SystemExit" in str(error)) == ("UNHEALTHY", True)
    assert verdict(async_server, "return True") == ("READY", None)
    assert async_server.predict({"code": "x"}).json()["output"] == "x"


@pytest.mark.ours("runtime.md 8.4 and 16.12: checks are independent of predictions and cancels")
def test_a_check_delays_neither_cancels_nor_predictions(server: Server) -> None:
    (server.folder / "verdict").write_text(
        "[time.sleep(0.01) for _ in iter(pathlib.Path('released').exists, True)]"
    )
    checks = server.folder / "checks"
    before = len(checks.read_text().splitlines())
    with server.address.socket() as sock:
        sock.sendall(b"GET /health-check HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wait_for(lambda: len(checks.read_text().splitlines()) > before, "begin of a check")
        with holding(server, "canceled-meanwhile") as answer:
            server.cancel("canceled-meanwhile")
            assert answer.result().json()["status"] == "canceled"
        assert server.predict(returning("1")).json()["output"] == 1
        assert select.select([sock], [], [], 0)[0] == [], (
            "the check must still run, or this test shows nothing"
        )
        (server.folder / "released").touch()
        assert b"READY" in read_all(sock)
