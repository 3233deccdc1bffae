"""From Init to Ready, or to the reason of a failure (runtime.md 2.3, 2.4, 4.1, 4.2)."""

import pytest
from integration.worker.conftest import StartWorker
from testing.worker import EXIT_PROTOCOL, EXIT_SETUP_FAILED, Worker

from coglet_protocol import control
from coglet_protocol.limits import PROTOCOL_VERSION

SETUPS = {
    "sync": "def setup(self): self.greeting = 'hello'",
    "async": "async def setup(self): await asyncio.sleep(0); self.greeting = 'hello'",
    "returned coroutine": "def setup(self): return self.prepare()",
}
RUNS = {"sync": "def run(self): return self.greeting", "async": "async def run(self): return self.greeting"}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_setup_comes_before_the_first_prediction(start_worker: StartWorker, setup: str, run: str) -> None:
    worker = start_worker(f"""
        import asyncio

        class Runner:
            {setup}
            {run}
            async def prepare(self): self.greeting = "hello"
    """)
    assert worker.predict().result().output == "hello"


def test_async_setup_and_predictions_share_one_loop(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import asyncio

        class Runner:
            async def setup(self):
                self.loop = asyncio.get_running_loop()
                self.served = self.loop.create_task(asyncio.sleep(0, "by a task of setup"))

            async def run(self):
                assert asyncio.get_running_loop() is self.loop
                return await self.served
    """)
    assert worker.predict().result().output == "by a task of setup"


@pytest.mark.parametrize(
    ("parameters", "variables", "weights"),
    [
        ("self, weights", {"COG_WEIGHTS": "https://example.com/w.tar"}, "https://example.com/w.tar"),
        ("self, weights", {}, None),
        ("self, weights='small'", {"COG_WEIGHTS": "large"}, "large"),
        ("self", {"COG_WEIGHTS": "large"}, "not asked for"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
def test_setup_gets_the_weights_it_asks_for(
    start_worker: StartWorker, prefix: str, parameters: str, variables: dict[str, str], weights: str | None
) -> None:
    worker = start_worker(
        f"""
        class Runner:
            {prefix}def setup({parameters}): self.weights = locals().get("weights", "not asked for")
            def run(self): return self.weights
        """,
        variables=variables,
    )
    assert worker.predict().result().output == weights


def failure(worker: Worker) -> control.SetupFailed:
    """Return the last message of a worker that cannot start; check that it exits."""
    failed = worker.said.wait_message(control.SetupFailed)
    assert worker.wait_exit() == EXIT_SETUP_FAILED
    assert worker.said.messages[-1] is failed
    return failed


LOAD_FAILURES = {
    "import error": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax error": ("class Runner:\n  def run(self:\n", "SyntaxError: "),
    "module exits": ("import sys; sys.exit(5)", "SystemExit: 5"),
    "no such class": ("class Other:\n    def run(self): pass", "AttributeError: "),
    "no run": ("class Runner: pass", "ValueError: run or predict method not found: Runner"),
    "run and predict": (
        "class Runner:\n    def run(self): pass\n    def predict(self): pass",
        "ValueError: Runner must define either run() or predict(), not both",
    ),
    "constructor raises": (
        "class Runner:\n    def __init__(self): raise OSError('no GPU')\n    def run(self): pass",
        "OSError: no GPU",
    ),
}


@pytest.mark.parametrize(("source", "error"), LOAD_FAILURES.values(), ids=LOAD_FAILURES)
def test_a_model_that_cannot_be_loaded(spawn_worker: StartWorker, source: str, error: str) -> None:
    failed = failure(spawn_worker(source))
    assert failed.kind == "load"
    assert failed.error.startswith(f"failed to load predictor: {error}")
    assert failed.traceback.startswith("Traceback (most recent call last):\n")
    assert error in failed.traceback


IMPORTS = {
    "beside the file": (
        {"src/predict.py": "from helper import x", "src/helper.py": "x = 1"},
        "No module named 'helper'\nsrc/helper.py exists, but modules are found from the model's folder, "
        "where cog.yaml is, and not from src: write `from src.helper import ...`",
    ),
    "a package beside the file": (
        {"src/predict.py": "import helper.deep", "src/helper/__init__.py": ""},
        "No module named 'helper'\nsrc/helper exists, but modules are found from the model's folder, "
        "where cog.yaml is, and not from src: write `from src.helper import ...`",
    ),
    "further down": (
        {
            "src/predict.py": "import src.lib.first",
            "src/lib/first.py": "import second",
            "src/lib/second.py": "",
        },
        "No module named 'second'\nsrc/lib/second.py exists, but modules are found from the model's folder, "
        "where cog.yaml is, and not from src/lib: write `from src.lib.second import ...`",
    ),
    "no name for Python": (
        {"my-model/predict.py": "import helper", "my-model/helper.py": ""},
        "No module named 'helper'\n"
        "my-model/helper.py exists, but modules are found from the model's folder, "
        "where cog.yaml is, and not from my-model: write an import from the model's folder, "
        "and give my-model a name that Python can import",
    ),
    "relative": (
        {"src/predict.py": "from .helper import x", "src/helper.py": "x = 1"},
        "attempted relative import with no known parent package\n"
        "src/predict.py is loaded by its path and has no package: write `from src.NAME import ...`",
    ),
    "relative at the top": (
        {"run.py": "from .helper import x", "helper.py": "x = 1"},
        "attempted relative import with no known parent package\n"
        "run.py is loaded by its path and has no package: write `from NAME import ...`",
    ),
    "nowhere": ({"src/predict.py": "import helper"}, "No module named 'helper'"),
}


@pytest.mark.parametrize(("files", "text"), IMPORTS.values(), ids=IMPORTS)
def test_an_import_beside_the_file_is_explained(
    spawn_worker: StartWorker, files: dict[str, str], text: str
) -> None:
    failed = failure(spawn_worker("", ref=f"{next(iter(files))}:Runner", files=files))
    assert failed.error.partition("Error: ")[2] == text


def test_a_reference_without_a_class_is_explained(spawn_worker: StartWorker) -> None:
    failed = failure(spawn_worker("x = 1", ref="predict.py"))
    assert failed.error == (
        "failed to load predictor: AttributeError: module 'predict' has no Runner or Predictor"
    )


def test_a_missing_file_is_explained(spawn_worker: StartWorker) -> None:
    failed = failure(spawn_worker("", ref="missing.py:Runner"))
    assert failed.error.startswith("failed to load predictor: FileNotFoundError: ")
    assert "missing.py" in failed.error


SETUP_FAILURES = {
    "raises": ("raise ValueError('boom')", "ValueError: boom"),
    "exits": ("import sys; sys.exit(5)", "SystemExit: 5"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
}


@pytest.mark.parametrize(("body", "error"), SETUP_FAILURES.values(), ids=SETUP_FAILURES)
@pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
def test_a_setup_that_fails(spawn_worker: StartWorker, prefix: str, body: str, error: str) -> None:
    failed = failure(
        spawn_worker(f"""
            class Runner:
                {prefix}def setup(self): {body}
                def run(self): pass
        """)
    )
    assert (failed.kind, failed.error) == ("setup", f"setup failed: {error}")
    assert 'predict.py", line 3, in setup' in failed.traceback
    assert "coglet_worker" not in failed.traceback


def test_a_failure_of_any_size_is_reported(spawn_worker: StartWorker) -> None:
    failed = failure(spawn_worker(r"raise ValueError('\ud800\x00' * (20 * 1024 * 1024))"))
    assert failed.error.startswith("failed to load predictor: ValueError: ?\0?\0")


def test_a_sync_model_cannot_have_two_slots(spawn_worker: StartWorker) -> None:
    failed = failure(spawn_worker("class Runner:\n    def run(self): pass\n", slots=2))
    assert failed.error == (
        "setup failed: COG_MAX_CONCURRENCY > 1 requires an async run() or predict() method"
    )


PRINTS = """
    import os, subprocess, sys, threading

    print("module")

    class Runner:
        def setup(self):
            for number in range(2000):
                print("line", number)
            os.system("echo child; echo child error >&2")
            os.write(1, b"descriptor\\n")
            thread = threading.Thread(target=print, args=["thread"])
            thread.start()
            thread.join()
            print("error", file=sys.stderr)
            print("unfinished", end="")
            {last}

        def run(self):
            pass
"""
PRINTED = [
    *("module", *(f"line {number}" for number in range(2000)), "child", "child error", "descriptor"),
    *("thread", "error", "unfinished"),
]


@pytest.mark.parametrize(("last", "end"), [("", control.Ready), ("1 / 0", control.SetupFailed)])
def test_all_that_was_printed_is_sent_before_the_end_of_setup(
    spawn_worker: StartWorker, last: str, end: type[control.Ready] | type[control.SetupFailed]
) -> None:
    worker = spawn_worker(PRINTS.format(last=last))
    worker.said.wait_message(end)
    logs = [each for each in worker.said.messages if isinstance(each, control.Log)]
    assert isinstance(worker.said.messages[len(logs)], end)
    printed = "".join(each.data for each in logs if each.source == "stdout")
    errors = "".join(each.data for each in logs if each.source == "stderr")
    assert sorted(printed.splitlines() + errors.splitlines()) == sorted(PRINTED)
    assert [line for line in printed.splitlines() if line.startswith("line")] == PRINTED[1:2001]
    assert sorted(errors.splitlines()) == ["child error", "error"]


def test_deprecations_are_reported_to_the_author(start_worker: StartWorker) -> None:
    worker = start_worker(
        "from cog import BasePredictor\nclass Predictor(BasePredictor):\n    def predict(self): pass\n",
        ref="predict.py",
        variables={"PYTHONWARNINGS": "default"},
    )
    assert "predict() is deprecated; use run() instead" in worker.server_log


@pytest.mark.parametrize(
    ("source", "has_healthcheck"),
    [
        ("class Runner:\n    def run(self): pass\n", False),
        ("class Runner:\n    def run(self): pass\n    def healthcheck(self): pass\n", True),
        ("def Runner(): pass\n", False),
    ],
    ids=["class", "class with a check", "function"],
)
def test_ready_lists_the_slots_and_says_whether_the_model_has_a_healthcheck(
    spawn_worker: StartWorker, source: str, has_healthcheck: bool
) -> None:
    ready = spawn_worker(source).wait_ready()
    assert ready.has_healthcheck is has_healthcheck
    assert ready.version == PROTOCOL_VERSION
    assert len(ready.slots) == 1


def test_slots_have_names_of_their_own(start_worker: StartWorker) -> None:
    source = "async def Runner(): pass\n"
    slots = [slot for _ in range(2) for slot in start_worker(source, slots=3).wait_ready().slots]
    assert len(set(slots)) == 6


# the first messages


def test_another_version_ends_the_worker_with_both_numbers(spawn_worker: StartWorker) -> None:
    worker = spawn_worker("", version=PROTOCOL_VERSION + 1)
    reason = worker.said.wait_message(control.Fatal).reason
    assert reason.startswith(
        f"protocol version {PROTOCOL_VERSION + 1} received, this side uses version {PROTOCOL_VERSION}"
    )
    assert worker.wait_exit() == EXIT_PROTOCOL


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type":"shutdown"}\n', "expected init as the first message, got Shutdown"),
        (b"GET / HTTP/1.1\r\n", "unreadable control message b'GET / HTTP/1.1"),
        (b'{"type":"init","num_slots":1}\n', "missing required field `predictor_ref`"),
    ],
)
def test_a_worker_that_receives_no_init_reports_what_it_received(
    spawn_worker: StartWorker, line: bytes, reason: str
) -> None:
    worker = spawn_worker("", first_words=line)
    assert reason in worker.said.wait_message(control.Fatal).reason
    assert worker.wait_exit() == EXIT_PROTOCOL


def test_garbage_after_init_ends_the_worker_with_the_reason(start_worker: StartWorker) -> None:
    worker = start_worker("def Runner(): pass\n")
    worker.say_bytes(b'{"type":"healthcheck","id":"\xff"}\n')
    assert "unreadable control message" in worker.said.wait_message(control.Fatal).reason
    assert worker.wait_exit() == EXIT_PROTOCOL


def test_a_worker_can_be_driven_by_hand(spawn_worker: StartWorker) -> None:
    """Only the fields without a default are needed."""
    line = (
        b'{"type":"init","predictor_ref":"predict.py:Runner","num_slots":1,'
        b'"transport_info":{"type":"named_sockets","dir":"..","num_slots":1}}\n'
    )
    worker = spawn_worker("def Runner(n): return n", first_words=line)
    worker.wait_ready()
    assert worker.predict(n=1).result().output == 1
