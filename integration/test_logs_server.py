"""runtime.md 7.5 and 7.6: the server's own log."""

import re
import signal

import pytest
from integration.conftest import Serve
from testing.holding import holding
from testing.model import Model
from testing.script import returning
from testing.server import Server
from testing.waiting import wait_for

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z")
PRINTING = returning("print('printed')")


def messages(server: Server) -> set[str]:
    return {record["fields"].get("message", "") for record in server.records}


def test_each_line_is_a_json_record(serve: Serve) -> None:
    with serve("script") as server:
        server.predict(PRINTING)
        # Nothing is written to the log past the end of the server.
        server.request("POST", "/shutdown")
        server.wait_exit()
        assert "printed" in messages(server)
        assert len(server.records) == len(server.log.splitlines())
        for record in server.records:
            assert {"timestamp", "level", "fields", "target"} <= record.keys()
            assert TIMESTAMP.fullmatch(record["timestamp"])
            assert record["level"] in {"DEBUG", "INFO", "WARN", "ERROR"}


def test_start_and_end_of_predictions_are_logged(serve: Serve) -> None:
    with serve("script") as server:
        server.predict(returning("1"), id="good")
        server.predict(returning("1 / 0"), id="bad")
        with holding(server, "stopped"):
            server.cancel("stopped")
        server.request("POST", "/shutdown")
        server.wait_exit()
        logged = {(r["fields"].get("message"), r["fields"].get("prediction_id")) for r in server.records}
        assert {
            ("Starting prediction", "good"),
            ("Prediction failed", "bad"),
            ("Cancelling prediction", "stopped"),
            ("Prediction cancelled", "stopped"),
            ("Shutdown requested via HTTP", None),
        } <= logged


@pytest.mark.parametrize(
    ("variables", "hidden"),
    [
        ({"COG_LOG_LEVEL": "error"}, True),
        ({"COG_LOG_LEVEL": "warning"}, True),
        ({"COG_LOG_LEVEL": "info"}, False),
        ({"COG_LOG_LEVEL": "nonsense"}, False),
        ({"COG_LOG_LEVEL": "info", "RUST_LOG": "error"}, True),
    ],
)
def test_the_level_hides_the_servers_own_records(
    serve: Serve, variables: dict[str, str], hidden: bool
) -> None:
    with serve("script", variables=variables) as server:
        server.predict(PRINTING, id="the-id")
        server.request("POST", "/shutdown")
        server.wait_exit()
        assert ("Server ready" not in server.log) == hidden
        assert ("printed" not in server.log) == hidden


def test_prints_of_setup_are_shown_at_any_level(serve: Serve) -> None:
    source = (
        "class Predictor:\n"
        "    def setup(self):\n"
        "        print('set up')\n"
        "    def predict(self) -> int:\n"
        "        return 1\n"
    )
    with serve(Model(source), variables={"COG_LOG_LEVEL": "error"}) as server:
        server.wait_log("set up")


@pytest.mark.ours("runtime.md 16.24: the peer's COG_LOG_LEVEL is case-sensitive")
def test_the_level_may_be_written_in_capitals(serve: Serve) -> None:
    with serve("script", variables={"COG_LOG_LEVEL": "ERROR"}) as server:
        assert "Server ready" not in server.log


def test_console_lines_are_for_people(serve: Serve) -> None:
    with serve("script", variables={"LOG_FORMAT": "console"}) as server:
        server.predict(PRINTING)
        server.wait_log("printed")
        assert server.records == []
        assert "Server ready" in server.log


@pytest.mark.ours("decisions.md: color only on a terminal")
def test_console_lines_in_a_file_have_no_color(serve: Serve) -> None:
    with serve("script", variables={"LOG_FORMAT": "console"}) as server:
        assert "\x1b[" not in server.log


@pytest.mark.ours("runtime.md 7.6: ours blocks the writer; the peer drops lines outside predictions")
def test_lines_outside_predictions_are_not_dropped(serve: Serve) -> None:
    source = (
        "import threading\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        self.go = threading.Event()\n"
        "        threading.Thread(target=self.speak, daemon=True).start()\n"
        "    def speak(self):\n"
        "        self.go.wait()\n"
        "        for number in range(20_000):\n"
        "            print('aside', number)\n"
        "    def healthcheck(self):\n"
        "        self.go.set()\n"
        "    def predict(self) -> int:\n"
        "        return 1\n"
    )
    with serve(Model(source)) as server:
        server.health()
        server.wait_log("aside 19999")
        asides = [m for r in server.records if (m := r["fields"].get("message", "")).startswith("aside ")]
        assert asides == [f"aside {number}" for number in range(20_000)]


@pytest.mark.ours("the peer loses lines at any time")
def test_lines_that_a_stopped_server_has_not_taken_are_counted(serve: Serve) -> None:
    """The model goes on meanwhile."""
    source = """
import pathlib, threading, time

class Predictor:
    def setup(self) -> None:
        threading.Thread(target=self.print_much, daemon=True).start()

    def print_much(self) -> None:
        while not pathlib.Path("go").exists(): time.sleep(0.01)
        for n in range(5000): print(n, "x" * 1000)
        pathlib.Path("printed").touch()

    def predict(self) -> str:
        return "still there"
"""
    with serve(Model(source)) as server:
        server.wait_status("READY")
        server.signal(signal.SIGSTOP)
        server.folder.joinpath("go").touch()
        wait_for(server.folder.joinpath("printed").exists, "the end of the prints")
        server.signal(signal.SIGCONT)
        server.wait_log("logs dropped in last")
        assert server.predict().json()["output"] == "still there"

        def all_are_accounted_for() -> bool:
            dropped = sum(int(count) for count in re.findall(r"rate\. (\d+) logs dropped", server.log))
            kept = sum(bool(re.match(r"\d+ x{1000}", message)) for message in messages(server))
            return dropped + kept == 5000

        wait_for(all_are_accounted_for, "each line, or that it was dropped")
