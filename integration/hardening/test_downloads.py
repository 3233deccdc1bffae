"""hardening.md E2 and E3: a slow or silent server of input files delays only the predictions that use it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final

import pytest
from integration.conftest import Serve
from testing.model import Model
from testing.ports import HOST
from testing.receiver import Receiver, Reply
from testing.stalling import GIVEN_UP_WITHIN_S, Stalling
from testing.waiting import DEADLINE_S, wait_for

DOWNLOADS: Final = 12
SLOTS: Final = 16
SOURCE: Final = """
import asyncio
from typing import Optional
from cog import BasePredictor, Path

class Predictor(BasePredictor):
    {kind} predict(self, file: Optional[Path] = None) -> str:
        {pause}
        return file.read_text() if file else "no file"
"""
ASYNC: Final = SOURCE.format(kind="async def", pause="await asyncio.to_thread(int)")
SYNC: Final = SOURCE.format(kind="def", pause="pass")

pytestmark = pytest.mark.ours("hardening.md E2, E3")


@pytest.fixture
def stalling() -> Iterator[Stalling]:
    with Stalling().listening() as stalling:
        yield stalling


@pytest.fixture
def files() -> Iterator[Receiver]:
    """Serves `content` for every path."""
    receiver = Receiver()
    receiver.answer = lambda _: Reply(body=b"content")
    with receiver.listening():
        yield receiver


@pytest.mark.parametrize("scheme", ["http", "https"])  # the latter waits for the server's part of TLS
@pytest.mark.parametrize(("source", "slots"), [(ASYNC, DOWNLOADS), (SYNC, 1)], ids=["async", "sync"])
def test_canceled_downloads_are_given_up_at_once(
    serve: Serve, stalling: Stalling, files: Receiver, source: str, slots: int, scheme: str
) -> None:
    url = stalling.url.replace("http", scheme, 1)
    with serve(Model(source), variables={"COG_MAX_CONCURRENCY": str(slots)}) as server:
        stalled = [server.begin({"file": url}, id=f"p{n}") for n in range(slots)]
        stalling.wait(requests=slots)
        for number in range(slots):
            server.cancel(f"p{number}")
        stalling.wait(requests=slots, hung_up=slots)
        assert [each.result().json()["status"] for each in stalled] == ["canceled"] * slots
        answer = server.predict({"file": f"{files.url}/a.txt"})
        assert answer.json()["output"] == "content"


def test_a_download_is_given_up_before_it_is_connected(serve: Serve, files: Receiver) -> None:
    # The backlog of this listener is full, so that the system answers no further connection.
    with socket.create_server((HOST, 0), backlog=0) as full, contextlib.ExitStack() as held:
        for _ in range(2):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        url = f"http://{HOST}:{full.getsockname()[1]}/file.txt"
        with serve(Model(SYNC)) as server:
            stalled = server.begin({"file": url}, id="p")
            wait_for(lambda: server.health()["status"] == "BUSY", "the prediction")
            server.cancel("p")
            assert stalled.result(GIVEN_UP_WITHIN_S).json()["status"] == "canceled"
            assert server.predict({"file": f"{files.url}/a.txt"}).json()["output"] == "content"


def test_downloads_of_different_predictions_run_side_by_side(serve: Serve, files: Receiver) -> None:
    go_on = threading.Event()

    def answer(_: object) -> Reply:
        go_on.wait(DEADLINE_S)
        return Reply(body=b"content")

    files.answer = answer
    with serve(Model(ASYNC), variables={"COG_MAX_CONCURRENCY": str(SLOTS)}) as server:
        running = [server.begin({"file": f"{files.url}/{n}.txt"}, id=f"p{n}") for n in range(DOWNLOADS)]
        files.wait_count(DOWNLOADS)
        # What needs no file waits for no download, nor do the threads that the model uses.
        assert server.predict({}).json()["output"] == "no file"
        go_on.set()
        assert [each.result().json()["output"] for each in running] == ["content"] * DOWNLOADS
