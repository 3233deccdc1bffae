"""Every kind of model sends its output, and every failure its text (runtime.md 4.2, 6.1, 6.6)."""

import textwrap

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted

from coglet_protocol import slot

# For each kind of model: the source as a class, then as a function.
SYNC = {"class": "class Runner:\n    def run(self, {}):\n", "function": "def Runner({}):\n"}
ASYNC = {"class": "class Runner:\n    async def run(self, {}):\n", "function": "async def Runner({}):\n"}
SHAPES = {
    **{f"sync {name}": shape for name, shape in SYNC.items()},
    **{f"async {name}": shape for name, shape in ASYNC.items()},
    "class with predict": "class Runner:\n    def predict(self, {}):\n",
}


def written(shape: str, parameters: str, body: str) -> str:
    """Return the source of a model of that shape."""
    return shape.format(parameters) + textwrap.indent(textwrap.dedent(body), " " * 8)


every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@every_shape
def test_a_value_is_returned(start_worker: StartWorker, shape: str) -> None:
    worker = start_worker(written(shape, "n: int", "return n * 2"))
    assert [worker.predict(n=n).result().output for n in range(3)] == [0, 2, 4]


@every_shape
def test_a_generator_gives_its_items(start_worker: StartWorker, shape: str) -> None:
    worker = start_worker(written(shape, "n: int", "for item in range(n): yield {'item': item}"))
    for n in (3, 0):
        assert worker.predict(n=n).result().output == [{"item": item} for item in range(n)]


@pytest.mark.parametrize("shape", [SYNC["class"], ASYNC["class"]], ids=["sync", "async"])
def test_an_item_is_sent_before_the_next_is_made(start_worker: StartWorker, shape: str) -> None:
    worker = start_worker(written(shape, "path: str", "yield 1; yield open(path).read()"))
    fifo = worker.new_fifo()
    prediction = worker.predict(path=str(fifo))
    prediction.wait_item(0)
    fifo.write_text("two")
    assert prediction.result().output == [1, "two"]


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        ("[1, 'two', None]", [1, "two", None]),
        ("(1, [2, 3])", [1, [2, 3]]),
        ("[]", []),
        ("(item for item in 'ab')", ["a", "b"]),
    ],
)
def test_a_list_is_sent_item_by_item(scripted: Scripted, returned: str, output: list[object]) -> None:
    result = scripted.start(f"return {returned}").result()
    assert result.output == output
    assert isinstance(result.terminal, slot.Done)
    assert result.terminal.is_stream


def test_none_is_not_an_output(scripted: Scripted) -> None:
    terminal = scripted.start("return None").result().terminal
    assert isinstance(terminal, slot.Done)
    assert (terminal.output, terminal.is_stream) == (None, False)


def test_inputs_and_outputs_keep_their_digits_and_the_order_of_their_keys(start_worker: StartWorker) -> None:
    worker = start_worker(written(SYNC["class"], "value", "return value"))
    text = b'{"z":123456789012345678901234567890,"a":-0.1,"m":"\xc3\xa9"}'
    result = worker.send_predict(worker.next_message(input=b'{"value":' + text + b"}")).result()
    assert isinstance(result.terminal, slot.Done)
    assert result.terminal.output == text


def test_defaults_declared_with_input_are_used(start_worker: StartWorker) -> None:
    worker = start_worker("""
        from cog import BasePredictor, Input

        class Runner(BasePredictor):
            def predict(self, text: str = Input(default="hello"), times: int = Input(description="?")):
                return [text, times]
    """)
    assert worker.predict().result().output == ["hello", None]
    assert worker.predict(text="bye", times=2).result().output == ["bye", 2]


def test_the_time_inside_the_model_is_reported(scripted_sync: Scripted) -> None:
    terminal = scripted_sync.start("import time; time.sleep(0.05)").result().terminal
    assert isinstance(terminal, slot.Done)
    assert terminal.predict_time >= 0.05


RAISES = "raise ValueError('no such cat')"
SYNC_FAILURES = {
    "exception": (RAISES, "Prediction failed: ValueError: no such cat"),
    "empty text": ("raise KeyError", "Prediction failed: KeyError: "),
    "generator": (f"yield 1; {RAISES}", "Generator iteration error: ValueError: no such cat"),
    "nested class": (
        "class Sad(Exception): pass\nraise Sad('so')",
        "Prediction failed: body.<locals>.Sad: so",
    ),
    "sys.exit": ("import sys; sys.exit(3)", "Prediction failed: SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "Prediction failed: KeyboardInterrupt: "),
}
ASYNC_FAILURES = {
    "exception": (RAISES, "ValueError: no such cat"),
    "generator": (f"yield 1; {RAISES}", "ValueError: no such cat"),
    "sys.exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
    "a cancel without a request": ("import asyncio; raise asyncio.CancelledError", "CancelledError: "),
    "a text about a cancel": (
        "raise RuntimeError('the user cancelled it')",
        "RuntimeError: the user cancelled it",
    ),
}


@pytest.mark.parametrize(("body", "error"), SYNC_FAILURES.values(), ids=SYNC_FAILURES)
def test_what_a_sync_model_raises_fails_this_prediction_and_no_other(
    scripted_sync: Scripted, body: str, error: str
) -> None:
    assert scripted_sync.start(body).result().error == f"Prediction failed: {error}"
    assert scripted_sync.start("return 1").result().output == 1


@pytest.mark.parametrize(("body", "error"), ASYNC_FAILURES.values(), ids=ASYNC_FAILURES)
def test_what_an_async_model_raises_fails_this_prediction_and_no_other(
    scripted_async: Scripted, body: str, error: str
) -> None:
    failed = scripted_async.start(body).result()
    assert failed.error == f"Prediction failed: Async prediction failed: {error}"
    assert scripted_async.start("return 1").result().output == 1


def test_items_before_a_failure_have_been_sent(scripted: Scripted) -> None:
    result = scripted.start("yield 1; yield 2; 1 / 0").result()
    assert result.error.endswith("ZeroDivisionError: division by zero")
    assert result.items == [1, 2]


def test_the_traceback_goes_to_the_server_log_and_not_to_the_client(start_worker: StartWorker) -> None:
    worker = start_worker(written(SYNC["class"], "", "secret = 1\nassert secret == 2"))
    prediction = worker.predict()
    assert "predict.py" not in prediction.result().error + prediction.result().logs
    worker.check_health()  # the report comes on another channel than the result
    report = "\n".join(worker.records)
    assert report.startswith(
        f"prediction {prediction.message.id} raised\nTraceback (most recent call last):\n"
    )
    assert 'predict.py", line 4, in run' in report
    assert "assert secret == 2" in report
    assert "coglet_worker" not in report


@pytest.mark.parametrize("size", [100, 9 * 1024 * 1024, 40 * 1024 * 1024])
def test_an_error_of_any_size_fails_this_prediction_only(start_worker: StartWorker, size: int) -> None:
    worker = start_worker(written(SYNC["class"], "size: int", "raise ValueError('\\x00' * size)"))
    for _ in range(2):
        error = worker.predict(size=size).result().error
        assert error.startswith("Prediction failed: Prediction failed: ValueError: \0\0\0")
    assert worker.check_health().status == "healthy"


def test_an_error_that_is_not_unicode_is_reported_with_question_marks(start_worker: StartWorker) -> None:
    worker = start_worker(written(SYNC["class"], "", r"raise ValueError('\ud800!')"))
    assert worker.predict().result().error == "Prediction failed: Prediction failed: ValueError: ?!"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def train(self): 1 / 0", "Prediction failed: Training failed: ZeroDivisionError: division by zero"),
        (
            "async def train(self): 1 / 0",
            "Prediction failed: Async training failed: ZeroDivisionError: division by zero",
        ),
        ("def run(self): pass", "Training not supported by this predictor"),
    ],
    ids=["sync", "async", "none"],
)
def test_trainings_fail_in_their_own_words(start_worker: StartWorker, source: str, error: str) -> None:
    worker = start_worker(f"class Runner:\n    {source}\n", is_train=True)
    assert worker.predict().result().error == error


def test_a_training_gives_its_output(start_worker: StartWorker) -> None:
    worker = start_worker(
        "class Runner:\n    def run(self): pass\n    def train(self, n: int): return n + 1\n", is_train=True
    )
    assert worker.predict(n=1).result().output == 2


def test_the_model_runs_where_plain_python_would_run_it(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        import os, sys, threading
        import neighbor

        class Runner:
            def setup(self):
                self.thread = threading.current_thread()

            def run(self):
                assert threading.current_thread() is self.thread is threading.main_thread()
                assert sys.modules["predict"].Runner is Runner
                assert sys.path[0] == ""
                return [os.getcwd(), neighbor.NAME]
        """,
        files={"neighbor.py": "NAME = 'neighbor'"},
    )
    assert worker.predict().result().output == [str(worker.folder), "neighbor"]


def test_a_worker_knows_that_it_is_one(start_worker: StartWorker) -> None:
    worker = start_worker(written(SYNC["class"], "", "import coglet; return coglet.server.active"))
    assert worker.predict().result().output is True
