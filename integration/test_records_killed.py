"""records.md 4: SIGKILL at every step of a prediction's life, and what the next server makes of it."""

import contextlib
import http.client
from dataclasses import dataclass
from pathlib import Path

import pytest
from integration import step_killer
from integration.conftest import Serve
from integration.test_records import wait_ended
from testing.receiver import Receiver
from testing.script import script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("records.md 4: nothing is lost, whenever the server is killed")


def note_run(path: str) -> str:
    """Add a line to a file for each run."""
    with open(path, "a") as file:
        file.write("ran\n")
    return "done"


@dataclass(frozen=True)
class Outcome:
    """What there is in the end: the status (None: the id is unknown), and how often the model ran.

    The terminal webhook is sent `webhooks` times, each with the same id.
    """

    status: str | None
    runs: int
    webhooks: int = 1


STEPS = {
    "accept:before": Outcome(None, runs=0, webhooks=0),
    "accept:after": Outcome("succeeded", runs=1),
    "start:before": Outcome("succeeded", runs=1),
    "start:after": Outcome("failed", runs=0),
    "_write_end:before": Outcome("failed", runs=1),
    "_write_end:after": Outcome("succeeded", runs=1),
    "webhook_delivered:before": Outcome("succeeded", runs=1, webhooks=2),
    "webhook_delivered:after": Outcome("succeeded", runs=1),
}


@pytest.mark.parametrize("step", STEPS)
def test_the_next_server_goes_on(serve: Serve, tmp_path: Path, step: str) -> None:
    outcome = STEPS[step]
    runs = tmp_path / "runs"
    runs.touch()
    variables = {
        "COG_RECORDS": f"sqlite:{tmp_path / 'records.db'}",
        "WEBHOOK_SIGNING_SECRET": "secret",
        "KILL_AT": step,
    }
    with Receiver().listening() as receiver:
        with serve("script", variables=variables, entry=(step_killer.__file__,)) as server:
            # The server may be killed before it answers.
            with contextlib.suppress(OSError, http.client.HTTPException):
                server.start(
                    script(note_run, path=str(runs)),
                    id="p",
                    webhook=receiver.url,
                    webhook_events_filter=["completed"],
                )
            server.process.wait(timeout=20)
        with serve("script", variables=variables) as server:
            if outcome.status is None:
                assert server.request("GET", "/predictions/p").status == 404
            else:
                assert wait_ended(server, "p")["status"] == outcome.status
                receiver.wait_count(outcome.webhooks)
            wait_idle(server)
        # A third server has nothing left to do.
        with serve("script", variables=variables) as server:
            wait_idle(server)
        assert runs.read_text().count("ran") == outcome.runs
        assert len(receiver.received) == outcome.webhooks
        assert len({each.headers["webhook-id"] for each in receiver.received}) == min(outcome.webhooks, 1)
        assert {each.json()["status"] for each in receiver.received} <= {outcome.status}


def large_output() -> str:
    return "x" * 2_000_000


@pytest.mark.parametrize("step", ["write_file:before", "write_file:after", "remove_files:before"])
def test_no_file_is_left_without_a_row(serve: Serve, tmp_path: Path, step: str) -> None:
    variables = {
        "COG_RECORDS": f"sqlite:{tmp_path / 'records.db'}",
        "COG_RECORDS_MAX": "1",
        "KILL_AT": step,
    }
    with serve("script", variables=variables, entry=(step_killer.__file__,)) as server:
        for name in ("a", "b"):  # the record of the first one is removed
            with contextlib.suppress(OSError, http.client.HTTPException):
                server.start(script(large_output), id=name)
                wait_ended(server, name)
        server.process.wait(timeout=20)
    with serve("script", variables=variables) as server:
        states = {name: server.request("GET", f"/predictions/{name}").json() for name in ("a", "b")}
        if step == "remove_files:before":
            assert states["a"] == {"detail": "prediction 'a' has expired"}
            assert states["b"]["output"] == large_output()
        else:
            assert states["a"]["status"] == "failed"
            assert "output" not in states["a"]
    files = tmp_path / "records.db.files"
    assert len(list(files.iterdir()) if files.exists() else []) == (step == "remove_files:before")


def wait_idle(server: Server) -> None:
    wait_for(lambda: server.health()["status"] == "READY", "a free slot")
