"""A download that another thread interrupts, whatever it waits for (hardening.md E2)."""

import contextlib
import socket
import threading

import pytest
from testing.ports import HOST
from testing.stalling import Stalling

import cog
from cog._interruption import Interruption
from cog.errors import DownloadError

# Well below the 10 s after which a waiting download times out.
WITHIN_S = 5.0


def begin(interruption: Interruption, url: str) -> tuple[threading.Thread, list[Exception]]:
    errors: list[Exception] = []

    def download() -> None:
        try:
            with interruption.covering():
                cog.URLFile(url).read()
        except DownloadError as error:
            errors.append(error)

    thread = threading.Thread(target=download)
    thread.start()
    return thread, errors


@pytest.mark.parametrize(
    ("scheme", "first"),
    [
        ("http", b""),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"),
        ("https", b""),
    ],
    ids=["answer", "head", "body", "TLS"],
)
def test_one_that_waits_for_the_server_ends(scheme: str, first: bytes) -> None:
    interruption = Interruption()
    with Stalling(first=first).listening() as server:
        thread, _ = begin(interruption, f"{scheme}://{HOST}:{server.port}/x")
        server.wait(requests=1)
        interruption.interrupt()
        thread.join(WITHIN_S)
        assert not thread.is_alive()
        server.wait(hung_up=1)


def test_one_that_waits_for_its_connection_ends() -> None:
    interruption = Interruption()
    with contextlib.ExitStack() as held:
        # Nothing is accepted here, and the backlog is full, so that the system answers no further client.
        full = held.enter_context(socket.create_server((HOST, 0), backlog=0))
        for _ in range(2):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        thread, _ = begin(interruption, f"http://{HOST}:{full.getsockname()[1]}/x")
        interruption.interrupt()
        thread.join(WITHIN_S)
        assert not thread.is_alive()


def test_none_begins_afterwards() -> None:
    interruption = Interruption()
    interruption.interrupt()
    with socket.create_server((HOST, 0)) as listener:
        thread, errors = begin(interruption, f"http://{HOST}:{listener.getsockname()[1]}/x")
        thread.join(WITHIN_S)
    assert "no longer wanted" in str(errors[0])
