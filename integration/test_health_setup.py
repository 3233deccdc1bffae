"""runtime.md 2.3 to 2.5: how setup is reported, and how it can fail."""

import re

import pytest
from integration.conftest import Serve
from testing import processes
from testing.model import Model
from testing.server import Server
from testing.waiting import wait_for

SETUP = "Setup failed: setup failed: "
LOAD = "Setup failed: failed to load predictor: "
TEMPLATE = """
import os, sys, time
class Predictor:
    def setup(self):
        {setup}
    def predict(self) -> int:
        return 1
"""


def with_setup(statements: str) -> Model:
    return Model(TEMPLATE.format(setup=statements))


def setup_logs(server: Server) -> str:
    return str(server.health()["setup"].get("logs", ""))


# success


@pytest.mark.ours("runtime.md 2.3: every line must be there; the peer loses most of them (16.9)")
@pytest.mark.parametrize("lines", [10, 20_000])
def test_every_line_of_setup_is_kept_in_order(serve: Serve, lines: int) -> None:
    model = with_setup(
        f"for n in range({lines}): print(f'line {{n}}', file=sys.stderr if n % 2 else sys.stdout)"
    )
    with serve(model) as server:
        printed = re.findall(r"^\[coglet::setup\] line (\d+)$", setup_logs(server), re.MULTILINE)
        # Two streams: each is in order.
        assert [int(n) for n in printed if int(n) % 2] == list(range(1, lines, 2))
        assert [int(n) for n in printed if not int(n) % 2] == list(range(0, lines, 2))


@pytest.mark.ours("runtime.md 2.3: every line must be there; the peer loses most of them (16.9)")
def test_what_a_child_process_prints_in_setup_is_kept(serve: Serve) -> None:
    model = with_setup("os.system('echo from a child')")
    with serve(model) as server:
        assert "[coglet::setup] from a child\n" in setup_logs(server)


def test_setup_logs_include_the_lines_of_the_server(serve: Serve) -> None:
    with serve(with_setup("pass")) as server:
        logs = setup_logs(server)
        assert "[coglet] Server ready\n" in logs
        assert "Setup complete, now accepting requests" not in logs
        assert logs.endswith("\n")


def test_prints_of_setup_are_records_of_their_own_in_the_server_log(serve: Serve) -> None:
    # The peer loses a line that is still being sent when setup ends (16.9).
    with serve(with_setup("print('hello from setup'); time.sleep(0.2)")) as server:
        server.wait_log("hello from setup")
        (record,) = (r for r in server.records if r["fields"]["message"] == "hello from setup")
        assert (record["target"], record["level"]) == ("coglet::setup", "INFO")


def test_empty_setup_logs_are_left_out(serve: Serve) -> None:
    model = Model("class Runner:\n    def run(self) -> int:\n        return 1\n", ref="predict.py:Runner")
    with serve(model, variables={"COG_LOG_LEVEL": "error"}) as server:
        assert "logs" not in server.health()["setup"]


# failure


@pytest.mark.parametrize(
    ("model", "text"),
    [
        pytest.param(with_setup("raise ValueError('boom')"), f"{SETUP}ValueError: boom", id="raises"),
        pytest.param(with_setup("sys.exit(3)"), f"{SETUP}SystemExit: 3", id="exits"),
        pytest.param(
            Model("import no_such_module\n"), f"{LOAD}ModuleNotFoundError: No module named", id="import"
        ),
        pytest.param(Model("def broken(:\n"), f"{LOAD}SyntaxError: ", id="syntax"),
        pytest.param(Model("x = 1", ref="absent.py:Predictor"), f"{LOAD}FileNotFoundError: ", id="file"),
        pytest.param(Model("class Other: ..."), f"{LOAD}AttributeError: ", id="class"),
        pytest.param(
            Model("class Predictor: ..."),
            f"{LOAD}ValueError: run or predict method not found: Predictor",
            id="no method",
        ),
        pytest.param(
            Model("class Predictor:\n    def run(self): ...\n    def predict(self): ...\n"),
            f"{LOAD}ValueError: Predictor must define either run() or predict(), not both",
            id="both methods",
        ),
        pytest.param(
            Model("x = 1", ref="predict.py"),
            f"{LOAD}AttributeError: module 'predict' has no Runner or Predictor",
            id="no model in the file",
        ),
    ],
)
def test_a_setup_that_fails_says_why(serve: Serve, model: Model, text: str) -> None:
    with serve(model, until="SETUP_FAILED") as server:
        assert text in setup_logs(server)
        assert server.predict({}).status == 503


def test_a_worker_that_dies_in_setup(serve: Serve) -> None:
    with serve(with_setup("os._exit(3)"), until="SETUP_FAILED") as server:
        assert "worker crashed" in setup_logs(server).lower()


def test_several_slots_need_an_async_model(serve: Serve) -> None:
    with serve("script", variables={"COG_MAX_CONCURRENCY": "2"}, until="SETUP_FAILED") as server:
        text = f"{SETUP}COG_MAX_CONCURRENCY > 1 requires an async run() or predict() method"
        assert text in setup_logs(server)


@pytest.mark.ours("decisions.md: setup.logs ends with what was printed and the traceback (16.9)")
def test_a_failed_setup_shows_what_was_printed_and_the_traceback(serve: Serve) -> None:
    model = with_setup("print('loading'); raise ValueError('boom')")
    with serve(model, until="SETUP_FAILED") as server:
        _, _, after = setup_logs(server).partition(f"{SETUP}ValueError: boom")
        assert "loading" in after
        assert re.search(r"Traceback .*predict\.py.*in setup.*ValueError: boom", after, re.DOTALL)


def test_a_setup_that_takes_too_long(serve: Serve) -> None:
    model = with_setup("time.sleep(2.5)")
    with serve(model, variables={"COG_SETUP_TIMEOUT": "1"}, until="SETUP_FAILED") as server:
        assert "worker setup timed out" in setup_logs(server)


@pytest.mark.ours("runtime.md 2.5: the worker is killed on expiry; the peer's lives on")
def test_the_worker_is_killed_when_its_setup_takes_too_long(serve: Serve) -> None:
    model = with_setup("os.system('sleep 3600')")
    with serve(model, variables={"COG_SETUP_TIMEOUT": "1"}, until="SETUP_FAILED") as server:
        wait_for(lambda: len(processes.marked(server.mark)) == 1, "end of the worker and its child")


@pytest.mark.parametrize("value", ["", "0", "soon"])
def test_an_unusable_timeout_means_none(serve: Serve, value: str) -> None:
    with serve(with_setup("time.sleep(0.1)"), variables={"COG_SETUP_TIMEOUT": value}) as server:
        assert server.predict({}).json()["output"] == 1


@pytest.mark.ours("decisions.md: the worker's interpreter is COG_WORKER_PYTHON, not what PATH names (16.8)")
def test_an_interpreter_that_is_not_there(serve: Serve) -> None:
    variables = {"COG_WORKER_PYTHON": "/nowhere/python"}
    with serve("script", variables=variables, until="SETUP_FAILED") as server:
        assert "failed to spawn worker: " in setup_logs(server)
        assert "/nowhere/python" in setup_logs(server)


@pytest.mark.ours("runtime.md 16.8: a start-up that never ends in the peer")
def test_a_worker_that_dies_before_it_connects(serve: Serve) -> None:
    with serve("script", variables={"COG_WORKER_PYTHON": "/bin/false"}, until="SETUP_FAILED") as server:
        assert "worker crashed" in setup_logs(server).lower()
