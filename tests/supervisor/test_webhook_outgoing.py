"""The HTTP client of webhooks and uploads: which URLs it accepts, and how it fails."""

import asyncio
import contextlib
import subprocess
import sys
import threading

import pytest
from testing.receiver import Receiver, Reply

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.outgoing.client import (
    Message,
    NeverSendable,
    Outgoing,
    TimedOut,
    UnusableUrl,
    check_url,
)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "does not begin with http"),
        ("x", "does not begin with http"),
        ("//host/x", "does not begin with http"),
        ("ftp://host/", "does not begin with http"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("http://[::1", "cannot be parsed"),
        ("http://host:x/", "cannot be parsed"),
        ("http://host:99999/", "cannot be parsed"),
        ("http://host:0/", "port 0"),
        ("http://a b/", "whitespace or a control character"),
        ("http://host/\n", "whitespace or a control character"),
        ("http://<>/", "invalid host name"),
        ("http://a..b/", "invalid host name"),
        (f"http://{'a' * 64}.b/", "invalid host name"),
        (f"http://host/{'x' * 70_000}", "70012 characters"),
    ],
)
def test_an_unusable_url(url: str, reason: str) -> None:
    with pytest.raises(UnusableUrl, match=f"^the URL .*{reason}"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "HTTPS://host.example.com.:8443/a/b?c=d#e",
        "http://user:pass@host/",
        "http://[::1]:1/x",
        "http://127.0.0.1/",
        "http://under_score/",
        "http://ex\u00e4mple.org/\u00e4",
    ],
)
def test_a_usable_url(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("url", ["http://999.1.1.1/", "http://xn--/"])
async def test_a_url_that_only_the_client_rejects(url: str) -> None:
    outgoing = Outgoing(UrlGuard())
    with pytest.raises(NeverSendable, match=r"^the URL cannot be used: "):
        await outgoing.send(Message(method="POST", url=url, headers={}), limit_s=5)
    await outgoing.close()


async def test_a_receiver_that_does_not_answer_in_time() -> None:
    proceed = threading.Event()
    outgoing = Outgoing(UrlGuard())
    with Receiver().listening() as receiver:
        receiver.answer = lambda _: Reply() if proceed.wait(10) else Reply(500)
        with pytest.raises(TimedOut, match=r"^no answer within 0\.2 s$"):
            await outgoing.send(Message(method="POST", url=receiver.url, headers={}), limit_s=0.2)
        proceed.set()
    await outgoing.close()


async def test_a_client_that_cannot_be_set_up_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/gone.pem")
    with pytest.raises(NeverSendable, match=r"^the HTTP client cannot be set up: .*No such file"):
        await Outgoing(UrlGuard()).send(
            Message(method="POST", url="http://127.0.0.1/", headers={}), limit_s=5
        )


class OpenConnections:
    """A server that responds to each request with `answer`, and counts its open connections."""

    def __init__(self, answer: bytes) -> None:
        self.now = 0
        self.none = asyncio.Event()
        self.answered = asyncio.Event()
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.now += 1
        self.none.clear()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
            await writer.drain()
            self.answered.set()
            await reader.read()
        writer.close()
        self.now -= 1
        if not self.now:
            self.none.set()


async def test_whenever_a_request_is_canceled_its_connection_is_closed() -> None:
    connections = OpenConnections(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    server = await asyncio.start_server(connections.serve, "127.0.0.1", 0)
    outgoing = Outgoing(UrlGuard())
    await outgoing.prepare()
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        for turns in range(80):
            sending = tasks.create_task(
                outgoing.send(Message(method="POST", url=url, headers={}), limit_s=10)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait({sending})
        # When it has a response, all other connections have been accepted.
        await outgoing.send(Message(method="POST", url=url, headers={}), limit_s=10)
        if connections.now:
            await connections.none.wait()
    await outgoing.close()


async def test_a_cancel_while_the_rest_of_an_answer_is_read_closes_the_connection() -> None:
    connections = OpenConnections(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    server = await asyncio.start_server(connections.serve, "127.0.0.1", 0)
    outgoing = Outgoing(UrlGuard())
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        sending = tasks.create_task(outgoing.send(Message(method="POST", url=url, headers={}), limit_s=10))
        await connections.answered.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        sending.cancel()
        await connections.none.wait()
    await outgoing.close()


def test_the_client_is_imported_only_when_it_is_needed() -> None:
    modules = "coglet_supervisor.webhooks.delivery, coglet_supervisor.predictions.uploads"
    code = f"import sys, {modules}; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
