"""The kernel's state of a client: that it has disconnected, and how much it has not read."""

import contextlib
import select
import socket
import sys
from collections.abc import Iterator

import pytest

from coglet_supervisor.http.peer import has_hung_up, untaken_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports it")

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The server's side of a connection, and the client's, which has a small buffer."""
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
def test_a_disconnect_behind_unread_data_is_noticed(pair: Pair, half: bool) -> None:
    server, client = pair
    client.sendall(b"x" * 1000)
    assert not has_hung_up(server)
    if half:
        client.shutdown(socket.SHUT_WR)
    else:
        client.close()
    wait_for_event(server, select.POLLRDHUP)
    assert has_hung_up(server)


def test_progress_of_the_client_is_noticed_before_the_kernel_accepts_more(pair: Pair) -> None:
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


def test_without_information_of_the_kernel_it_is_zero(tmp_path: object) -> None:
    with open(f"{tmp_path}/file", "wb") as file:
        assert untaken_bytes(file) == 0
