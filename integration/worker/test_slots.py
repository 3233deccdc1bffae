"""A slot that breaks, and payloads of every size in both directions (runtime.md 4.4-4.7, protocol.md)."""

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted
from testing.worker import EXIT_PROTOCOL, Worker

from coglet_protocol import control, slot
from coglet_protocol.framing import frame
from coglet_protocol.limits import MAX_FRAME_BYTES, MAX_INLINE_BYTES
from coglet_protocol.spill import write_spill

ECHO = "class Runner:\n    {prefix}def run(self, value=None): return value\n"
TURNS = """
    import asyncio

    class Runner:
        def setup(self): self.go = asyncio.Event()

        async def run(self, wait):
            print("up")
            if wait: await self.go.wait()
            else: self.go.set()
            print("done")
            return wait
"""


def poisoned(worker: Worker, index: int) -> control.Failed:
    """Return what the worker reports about a lost slot."""
    failed = worker.said.wait_message(control.Failed)
    assert failed.slot == worker.wait_ready().slots[index]
    return failed


def assert_others_work(worker: Worker) -> None:
    assert worker.predict(on=1, wait=False).result().output is False
    assert worker.predict(on=1, wait=False).result().output is False
    assert worker.check_health().status == "healthy"


# broken

GARBAGE = {
    "no UTF-8": (frame(b"\x81\xa4type\xa1\xff"), "unreadable slot message"),
    "no message": (frame(b"\xc1"), "unreadable slot message"),
    "another message": (frame(b"\x81\xa4type\xa4done"), "unreadable slot message"),
    "too large": ((MAX_FRAME_BYTES + 1).to_bytes(4, "big"), "frame of 8388609 bytes, the limit is 8388608"),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", "frame of 1195725856 bytes"),
}


@pytest.mark.parametrize(("garbage", "reason"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_poisons_its_slot_and_the_others_go_on(
    start_worker: StartWorker, garbage: bytes, reason: str
) -> None:
    worker = start_worker(TURNS, slots=2)
    worker.slots[0].send_bytes(garbage)
    assert reason in poisoned(worker, 0).error
    assert_others_work(worker)


def test_garbage_during_a_prediction_ends_it(start_worker: StartWorker) -> None:
    worker = start_worker(TURNS, slots=2)
    prediction = worker.predict(wait=True)
    prediction.wait_log("up\n")
    worker.slots[0].send_bytes(b"\xff" * 4)
    assert "frame of 4294967295 bytes" in poisoned(worker, 0).error
    prediction.result()
    assert_others_work(worker)


def test_an_end_inside_a_frame_poisons_its_slot(start_worker: StartWorker) -> None:
    worker = start_worker(TURNS, slots=2)
    worker.slots[0].send_bytes(frame(b"{}")[:-1])
    worker.slots[0].shut()
    assert poisoned(worker, 0).error.endswith("the supervisor closed it inside a frame")
    assert_others_work(worker)


def test_a_slot_that_cannot_be_written_is_poisoned_and_the_others_go_on(start_worker: StartWorker) -> None:
    worker = start_worker(TURNS, slots=2)
    worker.predict(wait=True).wait_log("up\n")
    worker.slots[0].shut()
    worker.check_health()
    assert worker.predict(on=1, wait=False).result().output is False
    assert "cannot write to slot" in poisoned(worker, 0).error
    assert_others_work(worker)


def test_a_slot_that_is_closed_between_predictions_is_not_an_error(start_worker: StartWorker) -> None:
    worker = start_worker(TURNS, slots=2)
    worker.slots[0].shut()
    assert_others_work(worker)
    assert not any(isinstance(each, control.Failed) for each in worker.said.messages)


def test_the_worker_ends_when_its_last_slot_is_lost(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO.format(prefix=""))
    worker.slots[0].send_bytes(frame(b"\xc1"))
    assert "unreadable slot message" in worker.said.wait_message(control.Fatal).reason
    assert worker.wait_exit() == EXIT_PROTOCOL


# payloads

SIZES = {
    "empty": 0,
    "at the inline limit": MAX_INLINE_BYTES - len('""'),
    "above it": MAX_INLINE_BYTES - len('""') + 1,
    "above the frame limit": MAX_FRAME_BYTES + 1,
    "large": 32 * 1024 * 1024,
}
PREFIXES = pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_an_output_of_any_size_arrives(scripted: Scripted, size: int) -> None:
    result = scripted.start("return 'x' * size", size=size).result()
    assert result.output == "x" * size
    spilled = any(isinstance(each, slot.FileOutput) and each.kind == "oversized" for each in result.messages)
    assert spilled is (size + len('""') > MAX_INLINE_BYTES)


def test_items_of_any_size_keep_their_order(scripted: Scripted) -> None:
    sizes = [1, SIZES["above it"], 0, SIZES["at the inline limit"], 2]
    assert [
        len(item)
        for item in scripted.start("for size in sizes: yield 'x' * size", sizes=sizes).result().output
    ] == sizes


@PREFIXES
def test_a_spilled_input_is_read_and_then_deleted(start_worker: StartWorker, prefix: str) -> None:
    worker = start_worker(ECHO.format(prefix=prefix).replace("return value", "return len(value)"))
    size = 32 * 1024 * 1024
    path = write_spill(worker.temporary, b'{"value":"' + b"x" * size + b'"}')
    result = worker.send_predict(worker.next_message(input_file=str(path))).result()
    assert result.output == size
    assert not path.exists()


UNREADABLE = {
    "corrupt": (b'{"value":', "Failed to rehydrate input: Input data was truncated"),
    "no UTF-8": (b'{"value":"\xff"}', "Failed to rehydrate input: 'utf-8' codec can't decode byte 0xff"),
    "NaN": (b'{"value":NaN}', "Failed to rehydrate input: "),
    "too deep": (b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "Failed to rehydrate input: "),
    "no object": (b"[1]", "Input validation error: Input must be a JSON object"),
}


@pytest.mark.parametrize(("payload", "error"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_input_that_cannot_be_read_fails_this_prediction(
    scripted: Scripted, payload: bytes, error: str
) -> None:
    worker = scripted.worker
    path = write_spill(worker.temporary, payload)
    for message in (worker.next_message(input_file=str(path)), worker.next_message(input=payload)):
        assert worker.send_predict(message).result().error.startswith(error)
        assert not path.exists()
    assert scripted.start("return 1").result().output == 1


def test_an_input_that_is_missing_fails_this_prediction(scripted: Scripted) -> None:
    worker = scripted.worker
    missing = worker.send_predict(worker.next_message(input_file="/nowhere/spill_1.json")).result().error
    assert missing == (
        "Failed to rehydrate input: cannot read spill file spill_1.json: No such file or directory"
    )
    neither = worker.send_predict(worker.next_message()).result().error
    assert neither == "Failed to rehydrate input: neither input nor input_file was given"
    assert scripted.start("return 1").result().output == 1


LIMITED = """
    import resource

    class Runner:
        def setup(self):
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, hard))
        def run(self, value): return value * (7 * 1024 * 1024)
"""


def test_an_output_that_finds_no_room_fails_this_prediction(start_worker: StartWorker) -> None:
    """A limit on file sizes simulates a full disk."""
    worker = start_worker(LIMITED)
    for _ in range(2):
        error = worker.predict(value="x").result().error
        assert error.startswith(
            "Prediction failed: output of 7340034 bytes cannot be written to a temporary file: "
        )
    assert worker.predict(value="").result().output == ""
    left = [path for path in worker.scratch.joinpath("outputs").rglob("*") if path.is_file()]
    assert left == []


def test_a_context_of_any_size_fails_or_passes_but_poisons_nothing(start_worker: StartWorker) -> None:
    worker = start_worker("import cog\ndef Runner(): return len(cog.current_scope().context['large'])\n")
    size = MAX_FRAME_BYTES - 1024
    message = worker.next_message(input=b"{}", context={"large": "x" * size})
    assert worker.send_predict(message).result().output == size


BAD_OUTPUTS = {
    "bytes": ("b'x'", "TypeError: Object of type bytes is not JSON serializable"),
    "NaN": ("{'a': [1, float('nan')]}", "NaN and infinity are not JSON numbers (at output['a'][1])"),
    "surrogate": (r"['ok', '\ud800']", "output is not valid Unicode text"),
    "cycle": ("cycle()", "Circular reference detected"),
    "too deep": ("deep()", "output is nested too deeply for JSON"),
    "an item": (
        "(each for each in [1, object()])",
        "TypeError: Object of type object is not JSON serializable",
    ),
}


MAKERS = """
    def cycle():
        value = {}
        value["me"] = value
        return value

    def deep():
        value = None
        for _ in range(100_000): value = {"inner": value}
        return value
"""


@pytest.mark.parametrize(("value", "error"), BAD_OUTPUTS.values(), ids=BAD_OUTPUTS)
def test_an_output_that_is_not_json_fails_this_prediction(scripted: Scripted, value: str, error: str) -> None:
    failed = scripted.start(f"return {value}", MAKERS).result().error
    assert failed.startswith(f"Prediction failed: Failed to serialize output: {error}")
    assert scripted.start("return 1").result().output == 1
