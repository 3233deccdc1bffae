"""records.md 4: a server that is stopped or killed, and the next one on the same file."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import Serve
from integration.test_records import STREAMING, WAIT, length_of, shown, wait_ended
from testing.events import parse_events
from testing.model import Model
from testing.ports import reserved_port
from testing.receiver import Receiver
from testing.script import returning, script
from testing.server import Server
from testing.small_disk import small_disk
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("records.md 4: predictions survive the server")


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {"COG_QUEUE_SIZE": "100", "COG_RECORDS": f"sqlite:{tmp_path / 'records.db'}"}


def kill(server: Server) -> None:
    """Kill the server as the kernel does when memory runs out."""
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()


def wait_started(server: Server, prediction_id: str) -> None:
    wait_for(lambda: shown(server, prediction_id)["status"] == "processing", "start")


def listed(server: Server) -> list[str]:
    return [each["id"] for each in server.request("GET", "/predictions").json()["results"]]


def accept(server: Server, prediction_id: str, input: Mapping[str, Any], **fields: Any) -> None:
    answer = server.start(input, id=prediction_id, **fields)
    assert (answer.status, answer.json()["status"]) == (202, "starting")


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_what_waited_is_run_by_the_next_server(
    serve: Serve, variables: dict[str, str], ending: signal.Signals
) -> None:
    # What runs has the time that the machine needs to let it go.
    with serve("script", variables={**variables, "COG_SHUTDOWN_GRACE": "60"}) as server:
        accept(server, "a", WAIT)
        wait_started(server, "a")
        accept(server, "b", returning("'b'"))
        accept(server, "large", script(length_of, text="x" * 8_000_000))
        assert len(shown(server, "large")["input"]["arguments"]["text"]) == 8_000_000
        if ending == signal.SIGKILL:
            kill(server)
        else:
            server.signal(ending)
            server.wait_log("left to the next server")
            server.folder.joinpath("go").touch()
            server.process.wait(timeout=20)
    with serve("script", variables=variables) as server:
        first = wait_ended(server, "a")
        assert first["status"] == ("failed" if ending == signal.SIGKILL else "succeeded")
        assert wait_ended(server, "b")["output"] == "b"
        assert wait_ended(server, "large")["output"] == 8_000_000
        assert listed(server) == ["large", "b", "a"]


def test_what_ran_fails_with_the_reason(serve: Serve, variables: dict[str, str]) -> None:
    with serve("script", variables=variables) as server:
        accept(server, "a", WAIT)
        wait_started(server, "a")
        kill(server)
    with serve("script", variables=variables) as server:
        body = wait_ended(server, "a")
        assert (body["status"], body["attempts"]) == ("failed", 1)
        assert body["error"] == (
            "Prediction was interrupted: the server stopped while it ran, in attempt 1 of 1"
        )


def test_what_may_be_repeated_runs_again(serve: Serve, variables: dict[str, str]) -> None:
    variables["COG_MAX_ATTEMPTS"] = "3"
    with serve("script", variables=variables) as server:
        accept(server, "a", WAIT)
        wait_started(server, "a")
        kill(server)
    with serve("script", variables=variables) as server:
        wait_started(server, "a")
        server.folder.joinpath("go").touch()
        body = wait_ended(server, "a")
        assert (body["status"], body["output"], body["attempts"]) == ("succeeded", "go", 2)


def test_a_prediction_whose_client_was_connected_is_not_run(serve: Serve, variables: dict[str, str]) -> None:
    with serve("script", variables=variables) as server:
        accept(server, "a", WAIT)
        wait_started(server, "a")
        server.begin(returning("1"), id="b")
        wait_for(lambda: "b" in listed(server), "record")  # the list is of the file alone
        kill(server)
    with serve("script", variables=variables) as server:
        assert wait_ended(server, "b")["status"] == "canceled"


def test_each_terminal_webhook_is_sent_although_the_receiver_was_down(
    serve: Serve, variables: dict[str, str]
) -> None:
    with reserved_port() as port:  # until the end: no other process may get it in between
        url = f"http://127.0.0.1:{port}/hook"
        fields = {"webhook": url, "webhook_events_filter": ["completed"]}
        with serve("script", variables=variables) as server:
            accept(server, "ended", returning("1"), **fields)
            wait_ended(server, "ended")
            accept(server, "running", WAIT, **fields)
            wait_started(server, "running")
            accept(server, "waiting", returning("2"), **fields)
            kill(server)
        with Receiver(port=port).listening() as receiver, serve("script", variables=variables) as server:
            bodies = [each.json() for each in receiver.wait_count(3)]
            assert sorted((each["id"], each["status"]) for each in bodies) == [
                ("ended", "succeeded"),
                ("running", "failed"),
                ("waiting", "succeeded"),
            ]
            wait_ended(server, "waiting")
        with Receiver(port=port).listening() as receiver, serve("script", variables=variables) as server:
            accept(server, "last", returning("3"), **fields)
            receiver.wait_end("last")
            assert [each["id"] for each in receiver.bodies()] == ["last"]


def test_events_and_results_are_read_after_a_restart(serve: Serve, variables: dict[str, str]) -> None:
    def predict() -> Any:
        print("said", flush=True)
        yield from range(3)

    with serve(STREAMING, variables=variables) as server:
        accept(server, "p", script(predict))
        before = wait_ended(server, "p")
        events = server.request("GET", "/predictions/p", headers={"Accept": "text/event-stream"}).body
        kill(server)
    with serve(STREAMING, variables=variables) as server:
        assert {**shown(server, "p"), "urls": None} == {**before, "urls": None}
        again = server.request("GET", "/predictions/p", headers={"Accept": "text/event-stream"}).body
        assert [event.name for event in parse_events(again)] == [event.name for event in parse_events(events)]
        rest = server.request(
            "GET", "/predictions/p", headers={"Accept": "text/event-stream", "Last-Event-ID": "2"}
        ).body
        assert rest == again[again.index(b"id: 3\n") :]


def test_an_id_that_has_ended_is_answered_from_the_record(serve: Serve, variables: dict[str, str]) -> None:
    variables["COG_IDEMPOTENT_PUT"] = "records"
    with serve("script", variables=variables) as server:
        first = server.request("PUT", "/predictions/p", {"input": returning("7")}).json()
    with serve("script", variables=variables) as server:
        again = server.request("PUT", "/predictions/p", {"input": returning("7")})
        assert (again.status, again.json()) == (200, first)
        assert server.request("PUT", "/predictions/p", {"input": returning("8")}).status == 409


def test_a_second_server_on_the_same_file_does_not_start(serve: Serve, variables: dict[str, str]) -> None:
    with serve("script", variables=variables) as first:
        second = subprocess.run(
            [first.installation.python, "-m", "coglet_supervisor", "predict.py:Predictor", "--port", "0"],
            cwd=first.folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert second.returncode == 1
        assert "are in use by another server; stop it, or use another file" in second.stderr
        assert first.predict(returning("1")).json()["output"] == 1


def test_records_of_an_unknown_kind(serve: Serve, tmp_path: Path) -> None:
    with serve("script", variables={"COG_RECORDS": "postgres:x"}, until=None) as server:
        assert server.process.wait(timeout=20) == 1
        assert "COG_RECORDS is 'postgres:x', but must be memory, off or sqlite:PATH" in server.log


def test_the_schema_has_changed_and_what_waited_does_not_match(
    serve: Serve, variables: dict[str, str]
) -> None:
    old = Model(
        "from cog import BasePredictor\nimport os, time\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, n: str) -> str:\n"
        "        while not os.path.exists('go'):\n            time.sleep(0.01)\n        return n\n"
    )
    new = Model(
        "from cog import BasePredictor\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, n: int) -> int:\n        return n\n"
    )
    with serve(old, variables=variables) as server:
        accept(server, "a", {"n": "x"})
        wait_started(server, "a")
        accept(server, "b", {"n": "y"})
        accept(server, "c", {"n": "3"})
        kill(server)
    with serve(new, variables=variables) as server:
        body = wait_ended(server, "b")
        assert body["status"] == "failed"
        assert "n: " in body["error"]


def test_a_full_disk_refuses_new_predictions_and_ends_what_runs(
    serve: Serve, variables: dict[str, str]
) -> None:
    with small_disk() as disk:
        if disk is None:
            pytest.skip("no disk can be mounted here")
        variables["COG_RECORDS"] = f"sqlite:{disk / 'records.db'}"
        with serve("script", variables=variables) as server:
            server.begin(WAIT, id="a")
            wait_for(lambda: "a" in listed(server), "record")
            filler = disk / "filler"
            fill(filler)
            refused = server.start(script(length_of, text="x" * 500_000), id="b")
            assert refused.status == 507
            assert "disk" in refused.json()["error"]
            assert server.request("GET", "/predictions/b").status == 404
            server.folder.joinpath("go").touch()
            assert wait_ended(server, "a")["status"] == "succeeded"
            results = server.request("GET", "/predictions").json()["results"]
            assert [(each["id"], each["status"]) for each in results] == [("a", "succeeded")]
            filler.unlink()
            server.wait_log("prediction a: its end is recorded now")
            accept(server, "c", returning("3"))
            assert wait_ended(server, "c")["output"] == 3
            kill(server)
        with serve("script", variables=variables) as server:
            assert shown(server, "a")["status"] == "succeeded"


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_a_file_on_a_read_only_disk_ends_the_start(serve: Serve, variables: dict[str, str]) -> None:
    with small_disk() as disk:
        if disk is None:
            pytest.skip("no disk can be mounted here")
        variables["COG_RECORDS"] = f"sqlite:{disk / 'records.db'}"
        with serve("script", variables=variables):
            pass
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with serve("script", variables=variables, until=None) as server:
            assert server.process.wait(timeout=20) == 1
            assert "Read-only file system" in server.log
            assert "correct COG_RECORDS" in server.log
