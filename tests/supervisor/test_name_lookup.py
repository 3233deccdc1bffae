"""hardening.md E1: name servers that do not answer delay neither other names nor the shutdown."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest
from testing.receiver import Receiver
from testing.waiting import DEADLINE_S
from tests.supervisor.delivering import arrived, delivering, started
from tests.supervisor.running import end

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.outgoing.name_lookup import NameLookup

# More than the threads of `asyncio.to_thread`, of which there are at most 32.
NAMES: Final = 40


class NameServer:
    """A resolver that does not answer for names that end in `.test` until the test allows it."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self._getaddrinfo = socket.getaddrinfo

    def getaddrinfo(self, host: str, *arguments: Any, **options: Any) -> Any:
        if host.endswith(".test"):
            self.answers.wait(DEADLINE_S)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._getaddrinfo(host, *arguments, **options)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    name_server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", name_server.getaddrinfo)
    yield name_server
    name_server.answers.set()


async def test_unanswered_lookups_do_not_delay_other_receivers(name_server: NameServer) -> None:
    with Receiver().listening() as receiver:
        async with delivering() as webhooks:
            for number in range(NAMES):
                end(started(webhooks, f"http://name{number}.test/", ["completed"]), "succeeded")
            url = f"http://localhost:{receiver.port}/"
            end(started(webhooks, url, ["completed"]), "succeeded")
            async with asyncio.timeout(DEADLINE_S / 2):
                await arrived(receiver, 1)
            name_server.answers.set()
            await webhooks.close()


async def ask_in_vain(lookup: NameLookup) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await lookup.find("name.test", 80)


def test_closing_the_event_loop_does_not_wait_for_lookups(name_server: NameServer) -> None:

    ended = threading.Event()

    def run() -> None:
        asyncio.run(ask_in_vain(NameLookup(UrlGuard().resolve)))
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    assert ended.wait(DEADLINE_S / 2)


async def test_abandoned_lookups_are_limited(name_server: NameServer) -> None:
    lookup = NameLookup(UrlGuard().resolve, max_lookups=2)
    for _ in range(2):
        await ask_in_vain(lookup)
    with pytest.raises(OSError, match=r"^localhost was not looked up: 2 other lookups are still unanswered$"):
        await lookup.find("localhost", 80)
    # Noted while none of them can end: the event loop learns of each end before the thread is joined, and
    # would not have learned of one that had ended unnoticed.
    lookups = [thread for thread in threading.enumerate() if thread.name == "name-lookup"]
    name_server.answers.set()
    for thread in lookups:
        await asyncio.to_thread(thread.join)
    assert "127.0.0.1" in await lookup.find("localhost", 80)
