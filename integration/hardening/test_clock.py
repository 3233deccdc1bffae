"""hardening.md R25: when the wall clock is changed, every time limit still expires in time, none early."""

import datetime
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from testing.client import exchange
from testing.holding import hold, holding
from testing.receiver import Receiver, Reply, in_turn
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = [
    pytest.mark.ours("hardening.md R25"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="the shifted clock needs a C compiler"),
]

SOURCE: Final = Path(__file__).with_name("shifted_clock.c")
HOUR: Final = datetime.timedelta(hours=1)
JUMPS: Final = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forwards", "backwards"])


class Clock:
    """The wall clock of the processes under test."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(file)}
        self.shift(datetime.timedelta())

    def shift(self, by: datetime.timedelta) -> None:
        """Set the clock ahead of the real time by this much."""
        scratch = self._file.with_suffix(".new")
        scratch.write_text(f"{by.total_seconds():.0f}")
        scratch.replace(self._file)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("clock") / "shifted_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, SOURCE, "-ldl"], check=True)
    return built


@pytest.fixture
def clock(library: Path, tmp_path: Path) -> Clock:
    return Clock(library, tmp_path / "shift")


@contextmanager
def jumping(server: Server, clock: Clock, jump: datetime.timedelta) -> Iterator[None]:
    """Within the block the clock has jumped, and the server has noticed."""
    before = seen_by(server)
    clock.shift(jump)
    wait_for(
        lambda: abs(seen_by(server) - before - jump) < datetime.timedelta(minutes=1), "jump of the clock"
    )
    yield


def seen_by(server: Server) -> datetime.datetime:
    text = server.request("GET", "/livez").headers["Date"]
    return datetime.datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT")


@JUMPS
def test_what_has_time_left_goes_on(serve: Serve, clock: Clock, jump: datetime.timedelta) -> None:
    limits = {"COG_PREDICT_TIMEOUT": "600", "COG_HANG_TIMEOUT": "600", "COG_SETUP_TIMEOUT": "600"}
    with serve("script", variables={**clock.variables, **limits}) as server:
        with server.address.connect() as kept_alive, holding(server, "long") as answer:
            exchange(kept_alive, "GET", "/livez")
            with jumping(server, clock, jump):
                assert server.health()["status"] == "BUSY"
                assert exchange(kept_alive, "GET", "/livez").status == 200
                assert not answer.done()
        body = answer.result().json()
        assert body["output"] == "let go"
        assert 0 <= body["metrics"]["predict_time"] < 600


@JUMPS
def test_what_has_no_time_left_ends(serve: Serve, clock: Clock, jump: datetime.timedelta) -> None:
    with serve("script", variables={**clock.variables, "COG_PREDICT_TIMEOUT": "5"}) as server:
        answer = server.begin(script(hold, until="never"), id="long")
        server.wait_logged("long", "held")
        with jumping(server, clock, jump):
            assert answer.result().json()["error"] == "Prediction timed out after 5 seconds"


@JUMPS
def test_a_webhook_is_tried_again_as_ever(serve: Serve, clock: Clock, jump: datetime.timedelta) -> None:
    with serve("script", variables=clock.variables) as server, Receiver().listening() as receiver:
        receiver.answer = in_turn(Reply(503), Reply(503), Reply())
        server.predict(returning("1"), webhook=receiver.url, webhook_events_filter=["completed"])
        receiver.wait_count(1)
        with jumping(server, clock, jump):
            receiver.wait_count(3)


@JUMPS
def test_a_worker_that_died_is_replaced_in_time(serve: Serve, clock: Clock, jump: datetime.timedelta) -> None:
    with serve("script", variables=clock.variables) as server, jumping(server, clock, jump):
        assert server.predict(returning("os._exit(3)", "os")).json()["status"] == "failed"
        clock.shift(-jump)
        server.wait_status("READY")
        assert server.predict(returning("'alive'")).json()["output"] == "alive"
