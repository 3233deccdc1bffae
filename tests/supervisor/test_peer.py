"""What the kernel tells of a client: that it has hung up, and how much it has not taken."""

import contextlib
import select
import socket
import sys
from collections.abc import Iterator

import pytest

from coglet_supervisor.http.peer import has_hung_up, untaken_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The server's end of a connection, and the client's, which has little room."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            yield server, client


def wait_for_event(sock: socket.socket, event: int) -> None:
    poll = select.poll()
    poll.register(sock, event)
    assert poll.poll(10_000)


@pytest.mark.parametrize("half", [False, True])
def test_a_client_that_hangs_up_behind_data_is_seen(pair: Pair, half: bool) -> None:
    server, client = pair
    client.sendall(b"x" * 1000)
    assert not has_hung_up(server)
    if half:
        client.shutdown(socket.SHUT_WR)
    else:
        client.close()
    wait_for_event(server, select.POLLRDHUP)
    assert has_hung_up(server)


def test_what_a_client_takes_is_seen_before_the_kernel_takes_more(pair: Pair) -> None:
    server, client = pair
    server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            server.send(b"x" * 1_000_000)
    before = untaken_bytes(server)
    assert before > 0
    while untaken_bytes(server) == before:
        assert client.recv(4096)
    assert untaken_bytes(server) < before
    writable = select.poll()
    writable.register(server, select.POLLOUT)
    assert not writable.poll(0)


def test_where_the_kernel_does_not_tell_it_is_none(tmp_path: object) -> None:
    with open(f"{tmp_path}/file", "wb") as file:
        assert untaken_bytes(file) == 0
